"""What each query and mutation answers."""
