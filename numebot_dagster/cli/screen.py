"""Print sentences and tables as wide as the terminal, without breaking a word."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.table import Table

# Nothing that is printed is read as markup or emoji: texts of users, Numerai and libraries hold
# brackets and colons of their own. What is coloured is a `Text`.
console = Console(markup=False, emoji=False)
error_console = Console(stderr=True, markup=False, emoji=False)


def say(text: str) -> None:
    """Print a sentence as it is: nothing in it is highlighted."""
    console.print(text, highlight=False)


def say_on_one_line(text: str) -> None:
    """Print a text that is copied from the terminal, such as a command or a path, unbroken."""
    console.print(text, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print what is no part of the result to standard error."""
    error_console.print(text, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    error_console.print(styled("warning:", "yellow", f" {text}"), soft_wrap=True)


def styled(text: str, style: str, rest: str = "") -> Text:
    """Return a coloured text, and what follows it without a colour."""
    return Text.assemble((text, style), rest)


def wrapped(text: str, indent: int) -> str:
    """Break a line between words for a terminal, and indent what follows; leave a piped one."""
    if not console.is_terminal:
        return text
    return textwrap.fill(
        text,
        console.width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def plain_table(*columns: str) -> Table:
    """Return a table without edges."""
    from rich import box
    from rich.table import Table

    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def show_table(table: Table, expendable: Sequence[str] = ()) -> None:
    """Print a table; where it is too wide, name the columns left out and how to see them.

    Args:
        table: whose column widths are set.
        expendable: titles of columns that may be left out, the least useful first.
    """
    from numebot_dagster.reporting.fitting import fit

    fitted = fit(table, console, expendable)
    console.print(table)
    if fitted.left_out:
        say(
            f"Left out in {console.width} columns: {', '.join(fitted.left_out)}; "
            f"with COLUMNS={fitted.needed} before the command all are shown."
        )
