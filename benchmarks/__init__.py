"""Side-by-side measurements of what others do and what we do; `make bench` runs the quick set."""
