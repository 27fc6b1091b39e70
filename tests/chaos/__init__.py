"""Play rounds in which everything breaks, each to be submitted exactly once."""
