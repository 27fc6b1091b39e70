"""Look for numbers with more digits than anybody reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import dagster as dg

from numebot_dagster.reporting.numbers import plotted

# Parameters of a model are shown as they were given, and hashes are no numbers.
_AS_GIVEN = ("parameters", "target_is", "libraries")
_LONG = re.compile(r"\d\.\d{7,}")


def assert_few_digits(result: dg.ExecuteInProcessResult) -> None:
    """Find at most four digits in every number that a run has recorded."""
    shown = list(_recorded(result))
    assert shown
    assert [
        (name, value)
        for name, value in shown
        if isinstance(value, float) and value != plotted(value)
    ] == []
    assert [(name, value) for name, value in shown if _LONG.search(str(value))] == []


def _recorded(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, object]]:
    materialised = [
        event.materialization.metadata for event in result.get_asset_materialization_events()
    ]
    checked = [check.metadata for check in result.get_asset_check_evaluations()]
    for metadata in (*materialised, *checked):
        for name, entry in metadata.items():
            if isinstance(entry, dg.TableMetadataValue):
                records = (record.data for record in entry.records)
                yield name, json.dumps(list(records))
            elif name not in _AS_GIVEN and not isinstance(entry, dg.TimestampMetadataValue):
                yield name, entry.value
