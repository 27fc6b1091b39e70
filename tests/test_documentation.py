"""What README and docs show: links lead somewhere, commands exist, and what can run is run."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import click
import pytest
import typer

from numebot_dagster.cli.main import app
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.settings import AlertKind
from tests.support.commands import run_here

COMMAND = typer.main.get_command(app)
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()
TABLES = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))
# What needs a terminal, a network or another machine; `make` is what runs the tests.
OUTSIDE = {"python3", "cd", ".", "pip", "cp", "nano", "ssh", "export", "dagster", "make", "git"}


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page that are marked as of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(block: str) -> Iterator[list[str]]:
    """The commands of a block of shell, without comments and redirections."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line.partition(" > ")[0], comments=True)
        for is_end, command in groupby(words, lambda word: word == "&&"):
            if not is_end:
                yield list(command)


SHOWN = [
    pytest.param(command, id=f"{page.stem}: {' '.join(command)}")
    for page in PAGES
    for block in blocks(page, "bash")
    for command in commands(block)
]


def parse(command: click.Command, arguments: list[str]) -> None:
    """Read arguments as the command would, without doing anything."""
    context = command.make_context("numebot", arguments)
    if isinstance(command, click.Group):
        name, inner, rest = command.resolve_command(context, context.args)
        assert inner is not None, name
        parse(inner, rest)


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_that_is_shown_exists(command):
    name, *arguments = command
    if name == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif name == "numebot":
        parse(COMMAND, arguments)
    else:
        assert name in OUTSIDE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_list_of_contents():
    assert {path.name for path in PAGES[2:]} <= set(re.findall(r"\]\(docs/([\w-]+\.md)\)", README))


@pytest.mark.parametrize("name", TABLES["PAGES"])
def test_tables_are_as_the_code(name):
    assert (ROOT / "docs" / name).read_text() == TABLES["page"](name), "run `make docs`"


@cache
def sources(folder: str) -> list[str]:
    return [path.read_text() for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("kind", AlertKind)
def test_a_kind_of_alert_is_sent_and_tested(kind):
    def somewhere(folder, *texts):
        return any(text in source for source in sources(folder) for text in texts)

    assert somewhere("numebot_dagster", f"Kind.{kind.name}")
    assert somewhere("tests", f"Kind.{kind.name}", f'"{kind}')


@pytest.mark.parametrize("kind", AlertKind)
def test_a_kind_of_alert_says_what_it_means(kind):
    assert len(kind.meaning.split()) > 2
    assert AlertKind(kind.value) is kind


@pytest.mark.server
def test_the_model_of_the_readme_is_tried_trained_judged_and_rehearsed(tmp_path):
    """By the very lines that README, docs/practice.md and docs/operations.md show."""
    practice_page, operations_page = ROOT / "docs/practice.md", ROOT / "docs/operations.md"
    [code], [line] = blocks(PAGES[0], "python"), blocks(PAGES[0], "csv")
    (tmp_path / "model_code").mkdir()
    (tmp_path / "model_code" / "__init__.py").touch()
    (tmp_path / "model_code" / "my_model.py").write_text(code)
    (tmp_path / "model_configs.csv").write_text(f"numerai_name,model_code,description\n{line}")
    rehearsal = next(it for it in blocks(practice_page, "bash") if "--folder rehearsal" in it)
    first = next(it for it in blocks(PAGES[0], "bash") if "models try" in it)
    # What comes before belongs to the demo, and what comes after is played in the rehearsal.
    alone = first[first.index("numebot models try") : first.index("numebot practice")]
    queries = next(it for it in blocks(operations_page, "bash") if "from submissions" in it)
    shown = [alone, rehearsal, queries]
    with PracticeServer(tmp_path / "rehearsal", Plan(models=("my_slot",))) as practice:
        environment = {
            "NUMERAI_API_URL": practice.url,
            "NUMERAI_PUBLIC_ID": practice.credentials.public_id,
            "NUMERAI_SECRET_KEY": practice.credentials.secret_key,
            "NUMERAI_DATA_FOLDER": str(tmp_path / "rehearsal" / "data"),
        }
        finished = {}
        for command in (it for block in shown for it in commands(block)):
            if "serve" not in command:
                result = run_here(tmp_path, *command[1:], environment=environment)
                assert result.returncode == 0, (command, result.stderr)
                finished[" ".join(command)] = result.stdout
    assert "my_slot" in finished["numebot models diagnose my_slot"]
    scores = next(text for name, text in finished.items() if "where resolved" in name)
    assert "my_slot" in scores
    states = next(text for name, text in finished.items() if "from submissions" in name)
    assert "confirmed" in states
