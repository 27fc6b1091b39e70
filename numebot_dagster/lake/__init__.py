"""Store everything under one folder: paths, atomic files, thrifty reads and SQL views."""
