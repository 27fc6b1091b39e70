"""Write the tables of the documentation that list what the code lists.

Each stands in its page between two marks, `<!-- table: NAME, written by make docs -->` and
`<!-- end of NAME -->`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from numebot_dagster.lake.catalog import VIEWS
from numebot_dagster.operations.performance.money.ledger_export import COLUMNS
from numebot_dagster.practice.faults.fault import Fault
from numebot_dagster.practice.faults.kinds import SECTIONS
from numebot_dagster.scoring.metrics import METRICS
from numebot_dagster.scoring.summaries import FIGURES, Figure
from numebot_dagster.settings import AlertKind

DOCS = Path(__file__).parent


def alerts() -> list[str]:
    """Return the kinds of alerts."""
    rows = [f"| `{kind}` | {kind.meaning} |" for kind in AlertKind]
    return ["| Kind | It says |", "|---|---|", *rows]


def views() -> list[str]:
    """Return the views of `numebot sql`."""
    rows = [f"| `{name}` | {row} |" for name, row in VIEWS.items()]
    return ["| View | One row for |", "|---|---|", *rows]


def ledger() -> list[str]:
    """Return the columns of the account book's CSV."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items()]
    return ["| Column | What it holds |", "|---|---|", *rows]


def scores() -> list[str]:
    """Return the scores by era."""
    rows = [f"| {row.label} | `{name}` | {row.meaning} |" for name, row in METRICS.items()]
    return ["| Score | In the view `diagnostics` | Meaning |", "|---|---|---|", *rows]


def figures() -> list[str]:
    """Return the figures over eras."""
    rows = [f"| {row.label}{_heading(row)} | {row.meaning} |" for row in FIGURES.values()]
    return ["| Figure | Meaning |", "|---|---|", *rows]


def _heading(figure: Figure) -> str:
    """Return what a figure is called at the head of a narrow table, if that is another name."""
    return "" if figure.heading in ("", figure.label) else f" (`{figure.heading}`)"


def fault_kinds() -> list[str]:
    """Return the kinds of faults, by section."""
    lines = ["| Kind | A client sees | `--where` by default | `--set` |", "|---|---|---|---|"]
    for title, kinds in SECTIONS.items():
        lines += [f"| **{title}** | | | |", *map(_fault, kinds)]
    return lines


def _fault(kind: type[Fault]) -> str:
    values = " ".join(
        f"`{name}={value:g}`" if isinstance(value, float) else f"`{name}={value}`"
        for name, value in kind.defaults().items()
    )
    return f"| `{kind.kind}` | {kind.does()} | `{kind.where}` | {values} |"


PAGES: Mapping[str, tuple[Callable[[], list[str]], ...]] = {
    "models.md": (scores, figures),
    "operations.md": (views, ledger, alerts),
    "practice.md": (fault_kinds,),
}
"""The tables of each page; the name of a function is that of its table."""


def page(name: str) -> str:
    """Return a page with its tables as they are now."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for table in PAGES[name]:
        begin = f"<!-- table: {table.__name__}, written by make docs -->\n"
        end = f"<!-- end of {table.__name__} -->"
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not begun or not ended:
            raise ValueError(f"{name} lacks the marks of the table {table.__name__}")
        text = f"{before}{begin}" + "\n".join(table()) + f"\n{end}{after}"
    return text


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")
