"""Make API keys of the practice account."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable

from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.rules.state import State, Token
from numebot_dagster.practice.rules.tournament import ACCOUNT

_LETTERS = string.ascii_uppercase + string.digits


def add_key(state: State, name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """Make a new key of the account with these scopes; return its public id and secret.

    Raises:
        Refused: It has no name, or a scope is not a word.
    """
    names = tuple(scopes)
    if not name.strip():
        raise Refused("a key needs a name")
    if not all(isinstance(scope, str) and scope.isidentifier() for scope in names):
        raise Refused("a scope is a word such as read_user_info")
    public_id, secret_key = ("".join(secrets.choice(_LETTERS) for _ in range(n)) for n in (32, 64))
    state.add_token(Token(public_id, ACCOUNT, name, names), secret_key)
    return public_id, secret_key
