"""Write the list of fault kinds in `docs/practice.md` from their classes."""

from __future__ import annotations

import re
from pathlib import Path

from numebot_dagster.practice.faults.fault import Fault
from numebot_dagster.practice.faults.kinds import SECTIONS

PAGE = Path(__file__).with_name("practice.md")
BEGIN = "<!-- Written by docs/write_fault_kinds.py -->"
END = "<!-- The end of what is written -->"


def with_kinds(page: str) -> str:
    """Return the page with the present list of kinds between its two marks."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{kinds_as_markdown()}{END}", page)


def kinds_as_markdown() -> str:
    """Return one table of all kinds, by section."""
    lines = ["| Kind | A client sees | `--where` by default | `--set` |", "|---|---|---|---|"]
    for title, kinds in SECTIONS.items():
        lines += [f"| **{title}** | | | |", *map(_row, kinds)]
    return "\n".join(lines) + "\n"


def _row(kind: type[Fault]) -> str:
    values = " ".join(
        f"`{name}={value:g}`" if isinstance(value, float) else f"`{name}={value}`"
        for name, value in kind.defaults().items()
    )
    return f"| `{kind.kind}` | {kind.does()} | `{kind.where}` | {values} |"


if __name__ == "__main__":
    PAGE.write_text(with_kinds(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
