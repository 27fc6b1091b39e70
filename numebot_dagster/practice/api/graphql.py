"""Runs a GraphQL request: admit the query, resolve it from the answers, shape the errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLResolveInfo, execute_sync

from numebot_dagster.practice.api.answers.table import STAKE_MUTATIONS, Answers
from numebot_dagster.practice.api.request import not_part
from numebot_dagster.practice.faults.faulty_answers import FaultyAnswers
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.schema.dialect import admit, schema
from numebot_dagster.practice.schema.leniency import values_of

logger = logging.getLogger(__name__)

# Arguments that say how many: limit, offset, lastNRounds, scoredWithinLastNDays ...
_COUNT = re.compile(r"limit|offset|\w*N(Rounds|Days)")


def answer(
    request: Any,
    answers: Answers,
    *,
    deviations: bool = True,
    faulty: FaultyAnswers | None = None,
) -> dict[str, Any]:
    """Returns the body of the answer to a GraphQL request.

    Args:
        request: The request's JSON: ``query``, ``variables`` and, to choose one of several
            operations, ``operationName``.
        answers: What to resolve from.
        deviations: Whether names and variables are read as leniently as the service does.
        faulty: What faults make of the answer.

    Returns:
        ``data`` and, when something was refused, ``errors``, each with its ``message``.

    Raises:
        Exception: What a resolver raised without meaning to; never hidden in the answer.
    """
    slip = _slip_of(request)
    if slip is not None:
        return _errors([GraphQLError(slip)])
    removed = faulty.removed if faulty else frozenset()
    try:
        document = admit(request["query"], deviations=deviations, removed=removed)
    except GraphQLError as error:
        return _errors([error])
    except RecursionError:
        return _errors([GraphQLError("the query is nested too deeply")])
    result = execute_sync(
        schema(removed),
        document,
        root_value=answers,
        variable_values=_values(document, request.get("variables"), deviations=deviations),
        operation_name=request.get("operationName"),
        field_resolver=_resolve,
        middleware=faulty.middleware if faulty else None,
    )
    assert isinstance(result, ExecutionResult)
    for found in result.errors or []:
        cause = found.original_error
        if cause is not None and not isinstance(cause, Refused | GraphQLError):
            raise cause
    body: dict[str, Any] = {"data": result.data}
    return {**body, **_errors(result.errors)} if result.errors else body


def _values(document: DocumentNode, given: Any, *, deviations: bool) -> Any:
    return values_of(document, given) if deviations else given


def _slip_of(request: Any) -> str | None:
    """Returns what is wrong with a request's JSON before its query is read, None if nothing."""
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        return "the body must be JSON with a query"
    if not isinstance(request.get("variables"), dict | None):
        return "variables must be a JSON object"
    if not isinstance(request.get("operationName"), str | None):
        return "operationName must be a text"
    return None


def _errors(errors: list[GraphQLError]) -> dict[str, Any]:
    return {"errors": [error.formatted for error in errors]}


def _resolve(source: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
    """Resolves a field: a method of the answers, or an item of an object's mapping."""
    name = info.field_name
    values = {_snake(key): value for key, value in arguments.items()}
    _check_counts(arguments)
    if isinstance(source, Answers):
        if name in STAKE_MUTATIONS:
            raise Refused(f"{name} moves stake, and the practice tournament refuses to")
        method = getattr(source, _snake(name), None)
        if method is None:
            raise _missing(info)
        return method(**values)
    assert isinstance(source, Mapping)
    if name not in source:
        if info.parent_type.fields[name].deprecation_reason is not None:
            return None  # Numerai answers null to what it no longer computes
        raise _missing(info)
    value = source[name]
    return value(**values) if callable(value) else value


def _check_counts(arguments: dict[str, Any]) -> None:
    """Refuses a number of things below zero, which would count from the end of a list."""
    for key, value in arguments.items():
        if _COUNT.fullmatch(key) and value is not None and value < 0:
            raise Refused(f"{key} must not be negative, and is {value}")


def _missing(info: GraphQLResolveInfo) -> Refused:
    where = f"{info.parent_type.name}.{info.field_name}"
    return not_part(where)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
