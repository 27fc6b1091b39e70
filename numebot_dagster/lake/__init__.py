"""Where every byte lives: paths, atomic files, thrifty reads and the DuckDB catalogue."""
