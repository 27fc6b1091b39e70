"""`numebot doctor`: is everything ready for a round?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from numebot_dagster.cli import session
from numebot_dagster.cli.session import console
from numebot_dagster.operations.doctor import Finding, Verdict, examine

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}


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
        for finding in examine(session.open_platform(), live=live):
            findings.append(finding)
            if not as_json:
                _print(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    failed = any(finding.verdict is Verdict.FAILURE for finding in findings)
    raise typer.Exit(1 if failed else 0)


def _print(finding: Finding) -> None:
    style = STYLES[finding.verdict]
    text = f"[{style}]{finding.verdict.value:<8}[/] {finding.name:<12} {finding.text}"
    console.print(text, highlight=False, soft_wrap=True)
    if finding.remedy:
        console.print(f"{'':<21} → {finding.remedy}", highlight=False, soft_wrap=True)
