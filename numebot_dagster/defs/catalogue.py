"""Say in the catalogue where an asset's code and rows are, and when it has to be fresh."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster._check import not_none

from numebot_dagster.defs.metadata import Metadata
from numebot_dagster.lake.tables import Table
from numebot_dagster.modeling.registry import RegisteredModel

# The daily schedule ticks at 14:30 and 22:30 UTC, the second time for what a round or a late
# publication kept from the first.
DAILY = dg.FreshnessPolicy.cron(
    deadline_cron="30 23 * * *", lower_bound_delta=timedelta(hours=10), timezone="UTC"
)
"""Made since 13:30 UTC of the day whose 23:30 has passed last."""

NIGHTLY = dg.FreshnessPolicy.cron(
    deadline_cron="0 12 * * *", lower_bound_delta=timedelta(hours=9), timezone="UTC"
)
"""Made since 3:00 UTC of the day whose noon has passed last."""


def source(model: RegisteredModel | None = None) -> Metadata:
    """Return links to a model's module and to the line of the caller, which defines an asset.

    Nothing is read. A file that is not there, as in a zipped package, has no link.
    """
    caller = not_none(not_none(inspect.currentframe()).f_back)
    places: list[tuple[Path, int | None]] = [(Path(caller.f_code.co_filename), caller.f_lineno)]
    if model is not None and model.source is not None:
        places.insert(0, (model.source, None))
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
        dg.LocalFileCodeReference(file_path=str(file.absolute()), line_number=line)
        for file, line in places
        if file.suffix == ".py" and file.is_file()
    ]
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


def table(stored: Table) -> Metadata:
    """Return the view of which an asset holds all rows, and its columns.

    Dagster takes assets that name the same view for the same table, so that what holds the rows of
    one model names it in its materialisations alone.
    """
    return {"dagster/table_name": stored.name, **columns(stored)}


def columns(stored: Table) -> Metadata:
    """Return the columns of the view in which SQL finds the rows of an asset."""
    shown = [dg.TableColumn(name, kind) for name, kind in stored.columns.items()]
    return {"dagster/column_schema": dg.TableSchema(shown)}
