from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import polars as pl
import pytest
from rich.console import Console

from numebot_dagster.reporting.tables import markdown_table, rich_table


def rendered(frame: pl.DataFrame, title: str = "Title", **console) -> str:
    out = StringIO()
    Console(file=out, width=100, **console).print(rich_table(frame, title))
    return out.getvalue()


def test_markdown_table_in_full():
    frame = pl.DataFrame(
        {
            "model": ["a|b", None],
            "mean_corr": [0.012345, None],
            "rounds": [12, 3],
            "resolved": [True, False],
            "nmr": [Decimal("-1.23456"), Decimal("0E-18")],
            "date": [date(2026, 9, 3), None],
            "at": [datetime(2026, 9, 3, 12, 5, 59, tzinfo=UTC), None],
        }
    )
    assert markdown_table(frame) == "\n".join(
        [
            "| model | mean corr | rounds | resolved | nmr | date | at |",
            "| :--- | ---: | ---: | :--- | ---: | :--- | :--- |",
            "| a\\|b | 0.0123 | 12 | yes | -1.2346 | 2026-09-03 | 2026-09-03 12:05 |",
            "| – | – | 3 | no | 0.0000 | – | – |",  # noqa: RUF001
        ]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.00001, "0.0000"),
        (float("nan"), "\N{EN DASH}"),
        (-0.00006, "-0.0001"),
        (1e6, "1000000.0000"),
    ],
)
def test_floats(value, text):
    assert markdown_table(pl.DataFrame({"x": [value]})).splitlines()[-1] == f"| {text} |"


def test_markdown_table_without_rows():
    assert markdown_table(pl.DataFrame(schema={"a": pl.Int64})) == "| a |\n| ---: |"


def test_rich_table_is_plain_when_piped_and_coloured_in_a_terminal():
    frame = pl.DataFrame(
        {"model": ["m[red]"], "outcome": ["failed"], "state": ["accepted"], "corr": [-0.5]}
    )
    plain = rendered(frame, title="Rounds [x]")
    assert "\x1b" not in plain
    assert plain.splitlines()[0].rstrip() == "Rounds [x]"
    assert plain.splitlines()[4].split() == ["m[red]", "failed", "accepted", "-0.5000"]
    coloured = rendered(frame, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mfailed" in coloured
    assert "\x1b[36maccepted" in coloured
    assert "\x1b[31m-0.5000" in coloured


def test_rich_table_does_not_cut_numbers_in_eighty_columns():
    row = {"model": "a_rather_long_model_name", "rounds": 12, "x": -0.12345, "percentile": 0.5}
    out = StringIO()
    Console(file=out, width=40).print(rich_table(pl.DataFrame([row]), "T"))
    assert all(text in out.getvalue() for text in ("12", "-0.1235", "0.5000"))
