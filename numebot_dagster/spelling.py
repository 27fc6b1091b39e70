"""Suggest names that may be meant by one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSEST = 3


def meant(name: str, names: Iterable[str], listing: str) -> str:
    """Return the closest names, and the command that lists all where they are many."""
    by_letters = {other.casefold(): other for other in sorted(names)}
    close = get_close_matches(name.casefold(), by_letters, n=CLOSEST)
    texts = []
    if close:
        texts.append(f"did you mean {' or '.join(by_letters[letters] for letters in close)}?")
    if len(by_letters) > CLOSEST:
        texts.append(f"`{listing}` lists all {len(by_letters)}")
    elif not close:
        *most, last = by_letters.values() or [""]
        existing = " and ".join(filter(None, [", ".join(most), last]))
        texts.append(f"the names are {existing}" if existing else "there is none")
    return " ".join(texts)
