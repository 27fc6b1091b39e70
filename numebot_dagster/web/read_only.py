"""Refuse whatever may change something."""

from __future__ import annotations

from http import HTTPStatus

from graphql import OperationDefinitionNode, OperationType, parse
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

READING = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSAL = "Refused: this UI is for reading only (numebot up --read-only). Nothing was changed."

# Longer documents than those of Dagster's own pages would hold up all other requests.
_LONGEST_DOCUMENT = 50_000


class ReadOnly:
    """ASGI middleware that lets requests pass that read, and GraphQL documents.

    What a document asks for is looked at where it is executed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        app = self._app
        if scope["type"] == "http" and scope["method"] not in READING:
            is_document = scope["method"] == "POST" and scope["path"] == "/graphql"
            app = app if is_document else PlainTextResponse(f"{REFUSAL}\n", HTTPStatus.FORBIDDEN)
        await app(scope, receive, send)


def holds_only(document: str, *operations: OperationType) -> bool:
    """Return whether a GraphQL document holds only such operations, and can be read here.

    A document too deep to be parsed here could be parsed where less of the stack is in use.
    """
    try:
        if len(document) > _LONGEST_DOCUMENT:
            return False
        definitions = parse(document).definitions
    except Exception:
        return False
    return all(
        definition.operation in operations
        for definition in definitions
        if isinstance(definition, OperationDefinitionNode)
    )
