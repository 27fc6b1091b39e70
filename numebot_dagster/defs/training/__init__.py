"""Training data by vintage."""
