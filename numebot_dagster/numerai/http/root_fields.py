"""Read from a GraphQL document which of Numerai's operations it calls."""

from __future__ import annotations

import re
from functools import lru_cache

_LEXEME = re.compile(r'#[^\n]*|"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|[{}()\[\]:@$!]|\.\.\.|\w+')


@lru_cache(maxsize=256)
def operations_of(text: str) -> tuple[str, ...]:
    """Return the root fields of a document, as often as they occur: each call counts.

    A document with fragments at its root, which no query here has, counts as calling nothing.
    """
    depth, parentheses = 0, 0
    names: list[str] = []
    aliased = False
    for lexeme in _LEXEME.findall(text):
        if lexeme in "([":
            parentheses += 1
        elif lexeme in ")]":
            parentheses -= 1
        elif parentheses:
            continue
        elif lexeme == "{":
            depth += 1
        elif lexeme == "}":
            depth -= 1
        elif depth == 1 and lexeme == ":":
            aliased = True
        elif depth == 1 and lexeme[0].isalpha():
            if aliased:
                names.pop()
            names.append(lexeme)
            aliased = False
    return tuple(names)
