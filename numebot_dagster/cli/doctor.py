"""`numebot doctor`: is everything ready for a round?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from numebot_dagster.cli import session
from numebot_dagster.cli.session import console
from numebot_dagster.operations.doctor import Finding, Verdict, examine
from numebot_dagster.operations.outlook import outlook
from numebot_dagster.operations.platform import Platform

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}
PATIENCE = 10.0  # seconds for one question to Numerai: someone waits for the answer


def doctor(
    live: Annotated[
        bool,
        typer.Option("--live", help="Compare the fields that are used with the endpoint's schema."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check settings, credentials, endpoint, clock, disk, memory, registry, weights and versions.

    Each is ok, or says what to do. Exit status 0 means that nothing failed.
    """
    with session.explained():
        findings = []
        for finding in _examine(session.open_platform(patience=PATIENCE), live=live):
            findings.append(finding)
            if not as_json:
                _print(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    failed = any(finding.verdict is Verdict.FAILURE for finding in findings)
    raise typer.Exit(1 if failed else 0)


def _examine(platform: Platform, *, live: bool) -> Iterator[Finding]:
    from numebot_dagster.cli.instance import examine_instance

    yield from examine(platform, live=live)
    yield from outlook(platform)
    yield from examine_instance(platform.settings)


def _print(finding: Finding) -> None:
    # Not as markup: texts of errors have brackets of their own.
    line = Text.assemble(
        (f"{finding.verdict.value:<8}", STYLES[finding.verdict]),
        f" {finding.name:<12} {finding.text}",
    )
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(f"{'':<21} → {finding.remedy}", highlight=False, markup=False, soft_wrap=True)
