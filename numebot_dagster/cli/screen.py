"""Print sentences and tables as wide as the terminal, without breaking a word."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from numebot_dagster.cli import session
from numebot_dagster.reporting.fitting import fit


def say(text: str) -> None:
    """Print a sentence as it is: nothing in it is markup or highlighted."""
    session.console.print(text, highlight=False, markup=False)


def plain_table(*columns: str) -> Table:
    """Return a table without edges."""
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def show_table(table: Table, expendable: Sequence[str] = ()) -> None:
    """Print a table; where it is too wide, say which columns were left out and what shows them.

    Args:
        table: whose column widths are set.
        expendable: titles of columns that may be left out, the least useful first.
    """
    console = session.console
    fitted = fit(table, console, expendable)
    console.print(table)
    if fitted.left_out:
        say(
            f"Left out in {console.width} columns: {', '.join(fitted.left_out)}; "
            f"COLUMNS={fitted.needed} before the command shows all."
        )
