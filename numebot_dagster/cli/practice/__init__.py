"""`numebot practice`: the practice tournament from a terminal."""
