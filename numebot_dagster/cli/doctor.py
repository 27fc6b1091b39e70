"""`numebot doctor`: check whether everything is ready for a round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from numebot_dagster import command_lines
from numebot_dagster.cli import errors, screen, session
from numebot_dagster.cli.practice.folder import is_practice_here, is_practice_up, not_running
from numebot_dagster.cli.screen import console
from numebot_dagster.modeling.registry import RegistryError
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.platform import Platform
from numebot_dagster.reporting.numbers import counted
from numebot_dagster.settings import Settings
from numebot_dagster.terminal import wait_for_reader

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}
_NOT_REPLAYED = "a round is open and has work left, which comes first, or the time was over"
PATIENCE = 10.0  # seconds for one question to Numerai: someone waits for the answer


def doctor(
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also compare the API fields that Numebot uses with Numerai's schema."
        ),
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Also predict stored rounds again with the weights that predicted them, and "
            "compare with what was submitted. Takes minutes.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check settings, credentials, endpoint, clock, disk, memory, registry, weights and versions.

    What is not ok comes with what to do about it. Exit status 0 means that nothing failed.
    """
    wait_for_reader()
    with errors.explained():
        findings = []
        for finding in _examine(_platform(), live=live, replays=replay):
            findings.append(finding)
            if not as_json:
                show(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    failed = any(finding.verdict is Verdict.FAILURE for finding in findings)
    raise typer.Exit(1 if failed else 0)


def _platform() -> Platform:
    """Return the platform without asking Numerai yet: what is wrong there is a finding."""
    return session.look_at_platform(PATIENCE)


def _examine(platform: Platform, *, live: bool, replays: bool) -> Iterator[Finding]:
    from numebot_dagster.defs.instance import examine_instance
    from numebot_dagster.operations.health.doctor import examine
    from numebot_dagster.operations.health.outlook import outlook

    for finding in examine(platform, live=live):
        yield _as_here(platform.settings, finding)
    yield from outlook(platform)
    for finding in examine_instance(platform.settings):
        yield _as_here(platform.settings, finding)
    if replays:
        yield from _replay(platform)


def _replay(platform: Platform) -> Iterator[Finding]:
    """Replay every enabled model, unless a round has work left."""
    from numebot_dagster.defs.instance import has_instance, open_instance
    from numebot_dagster.defs.rounds.requests import while_no_round_waits
    from numebot_dagster.defs.turns import TRAINING, turn_of
    from numebot_dagster.operations.diagnostics import replay
    from numebot_dagster.operations.performance.board import pages as board

    try:
        models = platform.registry.enabled
    except RegistryError:
        return  # reported by the check of the registry
    if not has_instance():
        yield Finding(Check.REPLAY, Verdict.OK, "nothing was played yet from this folder")
        return
    waiting, reason = len(models), _NOT_REPLAYED
    with open_instance() as instance:
        go_on = while_no_round_waits(instance, platform)
        try:
            with turn_of("numebot doctor --replay", platform.lake, TRAINING, screen.note):
                for proof in replay.replay_models(platform, models, go_on):
                    waiting -= 1
                    yield replay.finding_of(proof)
            if waiting < len(models) and go_on():
                board.write(platform)  # the pages of the models say it
        except NumeraiError as error:
            reason = str(error)
    if waiting:
        text = f"{counted(waiting, 'model')} not replayed: {reason}"
        yield Finding(Check.REPLAY, Verdict.WARNING, text, "later: numebot doctor --replay")


def _as_here(settings: Settings, finding: Finding) -> Finding:
    """Give a finding the remedy of this folder: in a demo's, one command starts what is off."""
    if not finding.remedy or not settings.is_practice:
        return finding
    if not is_practice_here(settings):
        start = not_running(settings) if finding.name is Check.ENDPOINT else ""
        return replace(finding, remedy=start or finding.remedy)
    start = command_lines.up(Path.cwd())
    if finding.name is Check.DAEMON:
        return replace(finding, remedy=start)
    if finding.name is Check.ENDPOINT and not is_practice_up(settings):
        return replace(finding, remedy=f"start its practice tournament: {start}")
    return finding


def show(finding: Finding) -> None:
    """Print a finding, and what to do about it on a line of its own."""
    # Not as markup: texts of errors have brackets of their own.
    start = f"{finding.verdict.value:<8} {finding.name:<12} "
    line = Text(screen.wrapped(start + finding.text, indent=len(start)))
    line.stylize(STYLES[finding.verdict], 0, len(finding.verdict.value))
    console.print(line, soft_wrap=True)
    if finding.remedy:  # on one line, so that a command can be copied
        console.print(f"{'':<21} → {finding.remedy}", highlight=False, markup=False, soft_wrap=True)
