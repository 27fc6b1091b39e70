"""The chaos run: rounds in which everything breaks, each to be submitted exactly once.

    python -m benchmarks.chaos --rounds 1000 --seed 1
    python -m benchmarks.chaos --rounds 1000 --seed 1 --only 417     # one of them again

A practice tournament is played while its endpoints fail, its clock jumps, models misbehave, and
runs, workers, the daemon and the tournament's own server are killed with SIGKILL, at random moments
and at each step of an upload. What was submitted is then read from the tournament's own state.

Most rounds are played by `numebot run`, forked from a process that has imported it; every so often
`numebot up` plays one. Exit status 0 means that nothing was lost, doubled or left unsaid.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks import chaos_plan
from benchmarks.chaos_audit import DOUBLED, LOST, UNREPORTED, Finding, audit_files, audit_round
from benchmarks.chaos_plan import MODELS, RoundPlan
from benchmarks.chaos_stage import Played, Stage
from benchmarks.chaos_world import World, open_world

ROUNDS_A_WEEK = 5


@dataclass
class Outcome:
    """What the rounds played so far came to."""

    models: int
    played: list[Played] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        """The whole run in one line."""
        faults = sum(sum(one.struck.values()) for one in self.played)
        kills = sum(len(one.kills) for one in self.played)
        found = Counter(one.kind for one in self.findings)
        counts = " ".join(f"{kind} {found[kind]}" for kind in (LOST, DOUBLED, UNREPORTED))
        return (
            f"rounds {len(self.played)}, models {self.models}, faults {faults}, kills {kills}: "
            f"{counts}"
        )

    def figures(self) -> dict[str, object]:
        """Everything that was counted, as JSON holds it."""
        struck: Counter[str] = Counter()
        for one in self.played:
            struck.update(one.struck)
        return {
            "summary": self.last_line,
            "faults": dict(struck.most_common()),
            "kills": dict(Counter(kill for one in self.played for kill in one.kills)),
            "runs": sum(one.attempts for one in self.played),
            "hung": sum(one.hung for one in self.played),
            "by_daemon": sum(one.plan.by_daemon for one in self.played),
            "seconds": round(sum(one.seconds for one in self.played), 1),
            "findings": [asdict(one) for one in self.findings],
        }


def main() -> None:
    """Plays as asked on the command line, and ends with the verdict."""
    asked = _parser().parse_args()
    plans = _plans(asked)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="numebot-chaos-"))
    console = Console()
    began = time.monotonic()
    outcome = Outcome(asked.models)
    with open_world(folder / "participant", asked.models) as world:
        if asked.only is not None:  # the same day of the week as in the long run
            for _ in range(asked.only % ROUNDS_A_WEEK):
                world.practice.advance("next-open")
        for findings in play(world, plans, outcome, console):
            for one in findings:
                console.print(f"{one}", style="red", soft_wrap=True, highlight=False)
    if asked.json is not None:
        asked.json.write_text(json.dumps(outcome.figures(), indent=2) + "\n")
    _say_how_to_repeat(console, asked, outcome, folder)
    console.print(f"{time.monotonic() - began:.0f} s", highlight=False)
    console.print(outcome.last_line, highlight=False, soft_wrap=True)
    sys.exit(1 if outcome.findings else 0)


def play(
    world: World, plans: Sequence[RoundPlan], outcome: Outcome, console: Console
) -> Iterator[list[Finding]]:
    """Plays the rounds one by one, and yields what was found wrong after each."""
    stage = Stage(world)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rounds", total=len(plans))
        for plan in plans:
            played = stage.play(plan)
            findings = audit_round(world, plan, played.number)
            outcome.played.append(played)
            outcome.findings += findings
            progress.update(task, advance=1, description=outcome.last_line)
            yield findings
    damaged = list(audit_files(world))
    outcome.findings += damaged
    yield damaged


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="decides everything that goes wrong")
    parser.add_argument(
        "--models", type=int, default=len(MODELS), choices=range(1, len(MODELS) + 1)
    )
    parser.add_argument("--only", type=int, metavar="ROUND", help="the round at this place alone")
    parser.add_argument(
        "--short", action="store_true", help="each kind of kill and each step of an upload, once"
    )
    parser.add_argument(
        "--daemon-every", type=int, default=50, metavar="K", help="0: no daemon plays"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--folder", type=Path, help="kept; by default removed when all is well")
    return parser


def _plans(asked: argparse.Namespace) -> list[RoundPlan]:
    if asked.short:
        plans = chaos_plan.every_kill()
        return plans if asked.only is None else [plans[asked.only]]
    places = range(asked.rounds) if asked.only is None else [asked.only]
    return [chaos_plan.plan_round(asked.seed, place, asked.daemon_every) for place in places]


def _say_how_to_repeat(
    console: Console, asked: argparse.Namespace, outcome: Outcome, folder: Path
) -> None:
    if not outcome.findings:
        if asked.folder is None:
            shutil.rmtree(folder)
        return
    places = sorted({one.index for one in outcome.findings if one.index >= 0})
    console.print(f"Seed {asked.seed}; everything is in {folder}", soft_wrap=True, highlight=False)
    form = "--short" if asked.short else f"--daemon-every {asked.daemon_every}"
    for place in places[:5]:
        console.print(
            f"  python -m benchmarks.chaos --seed {asked.seed} {form} --only {place}",
            soft_wrap=True,
            highlight=False,
        )


if __name__ == "__main__":
    main()
