"""Name the files that are uploaded, and recognise by its name who uploaded a file.

Numerai keeps the stem of the name that it is asked for and adds a random part: of
`round-1405-0123abcd-k3f9xy.csv` it makes `round-1405-0123abcd-k3f9xy-dMpHpYMPIUAF.csv`, as its own
client shows of `model57.csv`. Should it stop doing so, all that is lost is by whom.
"""

from __future__ import annotations

import re

from numebot_dagster.lake.installation import ALPHABET, LENGTH

_OURS = re.compile(rf"round-\d+-[0-9a-f]{{8}}-(?:([{ALPHABET}]{{{LENGTH}}})(?=[-.]))?")


def name_for(round_number: int, sha256: str, installation: str) -> str:
    """Return the name to ask Numerai for."""
    return f"round-{round_number}-{sha256[:8]}-{installation}.csv"


def uploader(filename: str | None) -> str:
    """Return who has uploaded a file that this data folder did not, as words of a sentence."""
    match = _OURS.match(filename or "")
    if match is None:
        return "something other than Numebot"
    if match[1] is None:
        return "an older installation of Numebot"
    return f"the installation {match[1]} of Numebot"
