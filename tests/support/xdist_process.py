"""Be a process of pytest-xdist, which is forked from one that has imported everything."""

import sys

exec(sys.argv[1])  # what `python -c` would be given
