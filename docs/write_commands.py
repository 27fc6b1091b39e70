"""Write `docs/commands.md`, the reference of all commands, from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from numebot_dagster.cli.main import app

PAGE = Path(__file__).with_name("commands.md")
HEADING = """# Commands

<!-- Written by docs/write_commands.py -->

Each command shows its part of this page with `--help`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield what is typed to reach each command or group of commands, and its object."""
    yield from _commands("numebot", typer.main.get_command(app))


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEADING, *(_section(name, command) for name, command in commands())])


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from _commands(f"{name} {child.name}", child)


def _section(name: str, command: Any) -> str:
    arguments = [_argument(argument) for argument in command.params if _is_argument(argument)]
    lines = [f"## `{' '.join([name, *arguments])}`", "", command.help.strip(), ""]
    if command.params:
        lines += ["| Option | Meaning | Default |", "|---|---|---|"]
        lines += [*map(_row, command.params), ""]
    return "\n".join(lines)


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _argument(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _row(parameter: Any) -> str:
    name = _argument(parameter) if _is_argument(parameter) else "`, `".join(parameter.opts)
    default = parameter.default
    is_shown = default is not None and default is not False and not parameter.required
    shown = f"`{getattr(default, 'value', default)}`" if is_shown else ""
    return f"| `{name}` | {' '.join(parameter.help.split())} | {shown} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
