"""The reference of all commands, and the commands that texts name."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITE = runpy.run_path(str(ROOT / "docs" / "write_commands.py"))
COMMANDS = dict(WRITE["commands"]())
NAMED = re.compile(r"\bnumebot (?=[a-z]+\b)((?:[a-z-]+ )*[a-z-]+)((?:(?: [a-zN]+)? --[a-z-]+)*)")


def test_the_page_is_as_the_command_line() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == WRITE["page"](), "run `make docs`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    command = COMMANDS[name]
    for text in (command.help, *(parameter.help for parameter in command.params)):
        assert text[0].isupper() or text[0].isdigit()
        assert text.rstrip().endswith((".", "..."))


def test_texts_name_commands_that_exist() -> None:
    for path in (ROOT / "numebot_dagster").rglob("*.py"):
        for words, options in NAMED.findall(path.read_text(encoding="utf-8")):
            name = "numebot"
            for word in words.split():
                if f"{name} {word}" not in COMMANDS:
                    break
                name = f"{name} {word}"
            assert name != "numebot", (path, words)
            existing = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            assert existing.issuperset(re.findall(r"--[a-z-]+", options)), (path, words, options)


@pytest.mark.process
def test_the_command_starts_without_libraries_for_numbers():
    """Each command waits for what it loads; those that compute load it when they do."""
    code = (
        "import sys, numebot_dagster.cli.main\n"
        "heavy = {'numpy', 'polars', 'pandas', 'scipy', 'duckdb', 'altair'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
