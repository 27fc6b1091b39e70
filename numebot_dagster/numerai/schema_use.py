"""List the fields of Numerai's types that our queries use, read from the queries themselves."""

from __future__ import annotations

from collections import defaultdict

from graphql import FieldNode, OperationDefinitionNode, OperationType, SelectionSetNode, parse

from numebot_dagster.numerai import queries

# What type a field answers with cannot be read from a query, and the schema is not ours to ship
# with the client; a test holds this table against it.
_ANSWERS = {
    "RootQueryType.account": "Account",
    "RootQueryType.apiTokenInfo": "ApiTokenInfo",
    "RootQueryType.diagnostics": "V2Diagnostics",
    "RootQueryType.diagnosticsUploadAuth": "FileUploadAuth",
    "RootQueryType.rounds": "Round",
    "RootQueryType.submissionDownloadAuth": "FileUploadAuth",
    "RootQueryType.submissionUploadAuth": "FileUploadAuth",
    "RootQueryType.submissionScores": "SubmissionScore",
    "RootQueryType.submissions": "V2Submission",
    "RootQueryType.v2Leaderboard": "V2LeaderboardEntry",
    "RootMutationType.createDiagnostics": "V2Diagnostics",
    "RootMutationType.createSubmission": "V2Submission",
    "Account.models": "Model",
    "Model.latestSubmissions": "LatestSubmission",
    "V2Diagnostics.perEraDiagnostics": "V2DiagnosticsEras",
    "V2Submission.round": "Round",
}


def _collect(selections: SelectionSetNode, type_name: str, fields: dict[str, set[str]]) -> None:
    for node in selections.selections:
        if not isinstance(node, FieldNode):
            raise TypeError(f"a query of ours uses {node.kind}, which is not followed here")
        name = node.name.value
        if name.startswith("__"):  # introspection is the language's own, not Numerai's
            continue
        fields[type_name].add(name)
        if node.selection_set is not None:
            _collect(node.selection_set, _ANSWERS[f"{type_name}.{name}"], fields)


def _required_fields() -> dict[str, frozenset[str]]:
    fields: dict[str, set[str]] = defaultdict(set)
    for text in queries.ALL.values():
        for operation in parse(text).definitions:
            assert isinstance(operation, OperationDefinitionNode)
            mutates = operation.operation is OperationType.MUTATION
            root = "RootMutationType" if mutates else "RootQueryType"
            _collect(operation.selection_set, root, fields)
    return {type_name: frozenset(names) for type_name, names in sorted(fields.items())}


REQUIRED_FIELDS = _required_fields()
