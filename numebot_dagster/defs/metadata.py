"""Turning gates and files into Dagster's check results and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from numebot_dagster.lake import parquet
from numebot_dagster.operations.gates import Gate

Metadata = dict[str, Any]


def check_spec(
    name: str, asset: dg.AssetKey, partitions: dg.PartitionsDefinition, text: str
) -> dg.AssetCheckSpec:
    """A check that the asset's own step reports, for the partition that it made."""
    return dg.AssetCheckSpec(name, asset=asset, description=text, partitions_def=partitions)


def check_results(asset: dg.AssetKey, gates: Iterable[Gate]) -> Iterator[dg.AssetCheckResult]:
    """The verdicts of gates as check results; of several gates of one name the worst counts."""
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
            description=gate.text,
            metadata=dict(gate.facts),
        )


def table_metadata(rows: int, columns: Sequence[tuple[str, str]]) -> Metadata:
    """Row count and column schema as Dagster's catalogue shows them."""
    return {
        "dagster/row_count": rows,
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, kind) for name, kind in columns]
        ),
    }


def columns_of(path: Path) -> list[tuple[str, str]]:
    """Names and types of the columns of a stored Parquet file."""
    return list(parquet.schema(path).items())
