"""Tell what a process was started with, and end as asked."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Print arguments, folder and a variable; end by the first argument."""
    end = sys.argv[1]
    print(json.dumps([sys.argv[1:], str(Path.cwd()), os.environ.get("PROBE"), os.getsid(0)]))
    print("on standard error", file=sys.stderr)
    sys.stdin.read()
    if end == "signal":
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "raise":
        raise ValueError("as asked")
    sys.exit(int(end) if end.isdigit() else end)


if __name__ == "__main__":
    main()
