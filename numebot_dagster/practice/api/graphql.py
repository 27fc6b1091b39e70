"""Execute GraphQL requests: admit the query, resolve its fields, and format the errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLResolveInfo, execute_sync

from numebot_dagster.practice.api.answers import (
    account,
    models,
    overview,
    people,
    public,
    services,
    stakes,
    submissions,
)
from numebot_dagster.practice.api.request import ApiRequest, Resolver, not_part
from numebot_dagster.practice.faults.middleware import FaultyAnswers
from numebot_dagster.practice.rules.clock import Refused
from numebot_dagster.practice.schema.dialect import admit, schema
from numebot_dagster.practice.schema.leniency import values_of

TABLES = tuple(
    module.RESOLVERS
    for module in (account, models, overview, people, public, services, stakes, submissions)
)
# The functions of all queries and mutations, by Numerai's names of the root fields.
RESOLVERS: dict[str, Resolver] = {name: table[name] for table in TABLES for name in table}

# Arguments that are numbers of items: limit, offset, lastNRounds, scoredWithinLastNDays ...
_COUNT = re.compile(r"limit|offset|\w*N(Rounds|Days)")


def answer(
    body: Any, request: ApiRequest, *, deviations: bool = True, faulty: FaultyAnswers | None = None
) -> dict[str, Any]:
    """Return the body of the answer to a GraphQL request.

    Returns:
        `data` and, when something was refused, `errors`, each with its `message`.

    Raises:
        Exception: An error of a resolver that is not a refusal; it is never hidden in the answer.
    """
    removed = faulty.removed if faulty else frozenset()
    try:
        document = _document(body, deviations=deviations, removed=removed)
    except GraphQLError as error:
        return _errors([error])
    variables = body.get("variables")
    result = execute_sync(
        schema(removed),
        document,
        root_value=request,
        variable_values=values_of(document, variables) if deviations else variables,
        operation_name=body.get("operationName"),
        field_resolver=_resolve,
        middleware=faulty.middleware if faulty else None,
    )
    assert isinstance(result, ExecutionResult)
    return _formatted(result)


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    for error in result.errors or []:
        cause = error.original_error
        if cause is not None and not isinstance(cause, Refused | GraphQLError):
            raise cause
    return {"data": result.data, **(_errors(result.errors) if result.errors else {})}


def _document(body: Any, *, deviations: bool, removed: frozenset[str]) -> DocumentNode:
    """Return the query of a request's JSON, validated."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise GraphQLError("the body must be JSON with a query")
    if not isinstance(body.get("variables"), dict | None):
        raise GraphQLError("variables must be a JSON object")
    if not isinstance(body.get("operationName"), str | None):
        raise GraphQLError("operationName must be a string")
    try:
        return admit(body["query"], deviations=deviations, removed=removed)
    except RecursionError as error:
        raise GraphQLError("the query is nested too deeply") from error


def _errors(errors: list[GraphQLError]) -> dict[str, Any]:
    return {"errors": [error.formatted for error in errors]}


def _resolve(source: Any, info: GraphQLResolveInfo, /, **arguments: Any) -> Any:
    """Resolve a root field by its function, and any other field from its object's mapping."""
    name = info.field_name
    _check_counts(arguments)
    values = {_snake(key): value for key, value in arguments.items()}
    if isinstance(source, ApiRequest):
        if name not in RESOLVERS:
            raise _missing(info)
        return RESOLVERS[name](source, **values)
    assert isinstance(source, Mapping)
    if name not in source:
        if info.parent_type.fields[name].deprecation_reason is not None:
            return None  # Numerai answers null to what it no longer computes
        raise _missing(info)
    value = source[name]
    return value(**values) if callable(value) else value


def _check_counts(arguments: dict[str, Any]) -> None:
    """Refuse numbers of items below zero, which would count from the end of a list."""
    for key, value in arguments.items():
        if _COUNT.fullmatch(key) and value is not None and value < 0:
            raise Refused(f"{key} must not be negative, and is {value}")


def _missing(info: GraphQLResolveInfo) -> Refused:
    return not_part(f"{info.parent_type.name}.{info.field_name}")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
