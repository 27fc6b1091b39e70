"""Measure what others do and what we do side by side; `make bench` runs the quick set."""
