"""Turn gates and files into Dagster's check results and metadata."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._check import not_none as check_not_none
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from numebot_dagster.lake.figures import Figure
from numebot_dagster.lake.tables import Table
from numebot_dagster.operations.rounds.gates import Gate
from numebot_dagster.reporting.numbers import plotted, score

if TYPE_CHECKING:
    import polars as pl

Metadata = dict[str, Any]


def check_results(asset: dg.AssetKey, gates: Iterable[Gate]) -> Iterator[dg.AssetCheckResult]:
    """Yield gates as check results; of several gates of one name the worst counts."""
    worst: dict[str, Gate] = {}
    for gate in gates:
        if gate.name not in worst or worst[gate.name].passed:
            worst[gate.name] = gate
    for gate in worst.values():
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=gate.name,
            passed=gate.passed,
            severity=dg.AssetCheckSeverity.ERROR if gate.blocking else dg.AssetCheckSeverity.WARN,
            # Dagster prints it within a line; further lines would look like messages of ours.
            description=" ".join(gate.text.split()),
            metadata=readable(gate.facts),
        )


def verdicts_so_far(
    instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey], partition: str
) -> list[dg.AssetCheckEvaluation]:
    """Return what earlier runs reported of these checks in a partition.

    A run plans all checks of its assets, and Dagster shows those as skipped that it does not
    report; a run that leaves an asset as it is therefore reports the former results again.
    """
    verdicts = []
    for check in checks:
        records = instance.event_log_storage.get_asset_check_execution_history(
            check,
            limit=1,
            status={
                AssetCheckExecutionRecordStatus.SUCCEEDED,
                AssetCheckExecutionRecordStatus.FAILED,
            },
            partition_filter=PartitionKeyFilter(key=partition),
        )
        events = [record.event.dagster_event for record in records if record.event]
        verdicts += [event.asset_check_evaluation_data for event in events if event]
    return verdicts


def not_reached(
    asset: dg.AssetKey, names: Iterable[str], reason: str
) -> Iterator[dg.AssetCheckResult]:
    """Yield checks that could not be made as failed, with the reason."""
    text = f"not checked: {reason}"
    yield from check_results(asset, [Gate(name, False, True, text) for name in names])


def as_result(verdict: dg.AssetCheckEvaluation) -> dg.AssetCheckResult:
    """Return the verdict of an earlier run as a result of this one."""
    return dg.AssetCheckResult(
        asset_key=verdict.asset_key,
        check_name=verdict.check_name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=verdict.metadata,
    )


def as_evaluation(result: dg.AssetCheckResult, partition: str) -> dg.AssetCheckEvaluation:
    """Return a result as an event that the step of another asset can log."""
    return dg.AssetCheckEvaluation(
        asset_key=check_not_none(result.asset_key),
        check_name=check_not_none(result.check_name),
        passed=result.passed,
        metadata=result.metadata or {},
        severity=result.severity,
        description=result.description,
        partition=partition,
    )


def readable(facts: Mapping[str, Any]) -> Metadata:
    """Return facts with the digits that they deserve: the UI shows all that it is given."""
    return {
        name: plotted(value) if isinstance(value, float) else value for name, value in facts.items()
    }


def markdown(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """Return a frame as a table that Dagster's catalogue shows."""
    from numebot_dagster.reporting.tables import markdown_table

    return dg.MetadataValue.md(markdown_table(frame))


def pictures(charts: Mapping[str, Figure]) -> Metadata:
    """Return stored pictures by name as Markdown that shows each in its place."""
    from numebot_dagster.reporting.embed import figure_picture

    return {name: dg.MetadataValue.md(figure_picture(figure)) for name, figure in charts.items()}


def with_board(description: str, charts: Iterable[str]) -> str:
    """Return the description of an asset, followed by the board and its charts where it is served.

    A description is made whenever the definitions are loaded, and not stored as metadata are.
    """
    from numebot_dagster.reporting.embed import BOARD, BOARD_IS_SERVED, served_picture

    if BOARD_IS_SERVED not in os.environ:
        return description
    pictures = (served_picture(name, name.replace("_", " ")) for name in charts)
    return "\n\n".join([description, f"[Open the board]({BOARD}/)", *pictures])


def stored_in(table: Table, place: Path, rows: int | None = None) -> Metadata:
    """Return where the rows of a partition are, how many they are, and the view that has them.

    The number is left out where it is always one, and where its long name would widen the table of
    a page that is short of room.
    """
    return {"dagster/table_name": table.name, **stored_at(place, rows)}


def stored_at(place: Path, rows: int | None = None) -> Metadata:
    """Return the file or folder of a partition, and how many rows it has."""
    counted = {} if rows is None else {"dagster/partition_row_count": rows}
    return {"dagster/uri": place.absolute().as_uri(), **counted}


def rows_of(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """Return a frame as a table in the catalogue, its scores with sign and four digits.

    Half a dozen short columns fit on an asset's page; wider tables are `markdown`.
    """
    kinds = {
        name: "string" if kind.is_float() else str(kind).lower()
        for name, kind in frame.schema.items()
    }
    records = [
        dg.TableRecord(
            {
                name: score(value) if frame.schema[name].is_float() else value
                for name, value in row.items()
            }
        )
        for row in frame.iter_rows(named=True)
    ]
    columns = [dg.TableColumn(name, kind) for name, kind in kinds.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))
