"""Judge the rounds that were played, by the tournament's own state and files."""
