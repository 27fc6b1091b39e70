"""Tables in narrow terminals: no word is broken, what is least useful is left out."""

from __future__ import annotations

from io import StringIO

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from numebot_dagster.reporting.fitting import fit

TITLES = ("model", "mean corr", "reason", "code")
ROWS = (
    ("a_model_of_20_letter", "-0.0123", "it needs more memory than it has", "my_models.deep:Deep"),
    ("b", "0.5", "no weights", "m:B"),
)


def shown(width: int, *expendable: str) -> tuple[list[str], tuple[str, ...], int]:
    table = Table(*TITLES, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for row in ROWS:
        table.add_row(*row)
    console = Console(file=(out := StringIO()), width=width)
    fitted = fit(table, console, expendable)
    console.print(table)
    return out.getvalue().splitlines(), fitted.left_out, fitted.needed


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(120, ()), (61, ()), (60, ("code",)), (40, ("code",)), (39, ("code", "reason")),
     (20, ("code", "reason"))],
)  # fmt: skip
def test_words_stay_whole_and_the_least_useful_column_goes(width, left_out):
    lines, gone, needed = shown(width, "code", "not there", "reason")
    assert (gone, needed) == (left_out, 61)
    assert all(len(line) <= width for line in lines)
    if width < 30:
        return  # not even a name fits
    kept = [column for column, title in enumerate(TITLES) if title not in left_out]
    words = {word for row in (TITLES, *ROWS) for column in kept for word in row[column].split()}
    assert words <= set(" ".join(lines).split())


def test_a_column_may_go_from_the_middle():
    lines, gone, _ = shown(60, "mean corr")
    assert gone == ("mean corr",)
    words = {word for row in (TITLES[2:], *(row[2:] for row in ROWS)) for cell in row
             for word in cell.split()}  # fmt: skip
    assert words <= set(" ".join(lines).split())


def test_what_cannot_be_left_out_is_broken_rather_than_lost():
    lines, gone, _ = shown(40)
    assert gone == ()
    assert "a_model_of_20_letter" not in " ".join(lines)
    assert all(len(line) <= 40 for line in lines)
