"""Health: checks of everything that a round needs, and alerts about rounds."""
