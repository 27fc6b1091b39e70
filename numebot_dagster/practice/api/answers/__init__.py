"""Resolve each query and mutation by a function; see `table`."""
