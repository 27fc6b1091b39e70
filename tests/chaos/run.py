"""Play rounds in which everything breaks, each to be submitted exactly once: the chaos run.

    python -m tests.chaos.run --rounds 1000 --seed 1 --json chaos.json
    python -m tests.chaos.run --rounds 1000 --seed 1 --json chaos.json --from 420   # goes on
    python -m tests.chaos.run --rounds 1000 --seed 1 --only 417       # one of them again

A practice tournament is played while its endpoints fail, its clock jumps, models misbehave, and
runs, workers, the daemon and the tournament's own server are killed with SIGKILL, at random moments
and at each step of an upload. What was submitted is then read from the tournament's own state, and
compared with predictions that are computed anew and with the messages that were due.

Most rounds are played by `numebot run`, forked from a process that has imported it; every so often
`numebot up` plays one. Where the participant would wait, the tournament's clock is moved. Exit
status 0 means that nothing was lost, doubled, left unsaid, or otherwise than it was said.
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
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.chaos import plan as chaos_plan
from tests.chaos.auditor.audit import audit_files, audit_round
from tests.chaos.auditor.finding import DOUBLED, LOST, UNREPORTED, WRONG, Finding
from tests.chaos.harness.stage import Played, Stage
from tests.chaos.harness.template import register, template
from tests.chaos.harness.world import ChaosWorld, open_world
from tests.chaos.plan import MODELS, RoundPlan
from tests.support.world import copy_participant

ROUNDS_A_WEEK = 5
# A tournament that grows old grows slow: after so many rounds another copy of the template is used.
ROUNDS_A_WORLD = 50
IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Record:
    """What is kept of a round that was played.

    Attributes:
        place: the round's place in the run, from 0.
        faults: how often each kind struck.
        runs: how many runs played it.
    """

    place: int
    faults: dict[str, int]
    kills: list[str]
    runs: int
    hung: int
    by_daemon: bool
    seconds: float
    findings: list[Finding]

    @classmethod
    def of(cls, played: Played, findings: list[Finding]) -> Record:
        """Return the record of a round."""
        return cls(
            place=played.plan.index,
            faults=dict(played.struck),
            kills=played.kills,
            runs=played.attempts,
            hung=played.hung,
            by_daemon=played.plan.by_daemon,
            seconds=round(played.seconds, 2),
            findings=findings,
        )


@dataclass
class Outcome:
    """What the rounds played so far came to."""

    models: int
    records: list[Record] = field(default_factory=list)
    damaged: list[Finding] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """Everything that must not be."""
        return [*(finding for record in self.records for finding in record.findings), *self.damaged]

    @property
    def last_line(self) -> str:
        """The whole run in one line."""
        faults = sum(sum(record.faults.values()) for record in self.records)
        kills = sum(len(record.kills) for record in self.records)
        kinds = Counter(finding.kind for finding in self.findings)
        counts = [f"{kind} {kinds.pop(kind, 0)}" for kind in (LOST, DOUBLED, UNREPORTED, WRONG)]
        counts += [f"{kind} {count}" for kind, count in sorted(kinds.items())]
        return (
            f"rounds {len(self.records)}, models {self.models}, faults {faults}, kills {kills}: "
            f"{' '.join(counts)}"
        )

    def figures(self) -> dict[str, object]:
        """Return everything that was counted, as JSON holds it."""
        faults: Counter[str] = Counter()
        for record in self.records:
            faults.update(record.faults)
        return {
            "summary": self.last_line,
            "faults": dict(faults.most_common()),
            "kills": dict(Counter(kill for record in self.records for kill in record.kills)),
            "runs": sum(record.runs for record in self.records),
            "hung": sum(record.hung for record in self.records),
            "by_daemon": sum(record.by_daemon for record in self.records),
            "seconds": round(sum(record.seconds for record in self.records), 1),
            "findings": [asdict(finding) for finding in self.findings],
            "models": self.models,
            "rounds": [asdict(record) for record in self.records],
        }

    def write(self, path: Path) -> None:
        """Replace a file of figures, whole."""
        temporary = path.with_name(f"{path.name}.part")
        temporary.write_text(json.dumps(self.figures(), indent=1) + "\n")
        temporary.replace(path)

    def take_up(self, path: Path, first: int) -> None:
        """Add the rounds before a place that an earlier slice of the same run has played."""
        if not path.exists():
            return
        content = json.loads(path.read_text())
        for row in content["rounds"]:
            findings = [Finding(**finding) for finding in row.pop("findings")]
            if row["place"] < first:
                self.records.append(Record(**row, findings=findings))


def main() -> None:
    """Play as asked on the command line, and end with the verdict."""
    asked = _parser().parse_args()
    plans = _plans(asked)
    folder = asked.folder or _temporary_folder()
    console = Console()
    began = time.monotonic()
    outcome = Outcome(asked.models)
    if asked.json is not None and asked.first:
        outcome.take_up(asked.json, asked.first)
    for findings in _play_all(plans, folder, outcome, console):
        for finding in findings:
            console.print(f"{finding}", style="red", soft_wrap=True, highlight=False, markup=False)
        if asked.json is not None:
            outcome.write(asked.json)
    _say_how_to_repeat(console, asked, outcome, folder)
    console.print(f"{time.monotonic() - began:.0f} s", highlight=False)
    console.print(outcome.last_line, highlight=False, soft_wrap=True)
    sys.exit(1 if outcome.findings else 0)


def _play_all(
    plans: Sequence[RoundPlan], folder: Path, outcome: Outcome, console: Console
) -> Iterator[list[Finding]]:
    """Play all rounds, those of one world after another."""
    models = MODELS[: outcome.models]
    for number, group in groupby(plans, lambda plan: plan.index // ROUNDS_A_WORLD):
        of_world = list(group)
        participant = folder / f"world-{number}"
        shutil.rmtree(participant, ignore_errors=True)
        copy_participant(template(), participant)
        register(participant, models)
        before = len(outcome.findings)
        with open_world(participant, models) as world:
            for _ in range(of_world[0].index % ROUNDS_A_WEEK):  # the same day of the week
                world.practice.advance("next-open")
            yield from play(world, of_world, outcome, console)
        if len(outcome.findings) == before:
            shutil.rmtree(participant)


def play(
    world: ChaosWorld, plans: Sequence[RoundPlan], outcome: Outcome, console: Console
) -> Iterator[list[Finding]]:
    """Play the rounds one by one, and yield what is wrong after each."""
    stage = Stage(world)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rounds", total=len(plans))
        for plan in plans:
            played = stage.play(plan)
            findings = audit_round(world, played)
            outcome.records.append(Record.of(played, findings))
            progress.update(task, advance=1, description=outcome.last_line)
            yield findings
    damaged = list(audit_files(world))
    outcome.damaged += damaged
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
    parser.add_argument(
        "--from", type=int, default=0, dest="first", metavar="ROUND",
        help="go on at this place; what the --json file holds of the places before is kept",
    )  # fmt: skip
    parser.add_argument("--only", type=int, metavar="ROUND", help="the round at this place alone")
    parser.add_argument(
        "--short", action="store_true", help="each kind of kill and each step of an upload, once"
    )
    parser.add_argument(
        "--daemon-every", type=int, default=100, metavar="K", help="0: no daemon plays"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures, after each round")
    parser.add_argument("--folder", type=Path, help="kept; by default removed when all is well")
    return parser


def _plans(asked: argparse.Namespace) -> list[RoundPlan]:
    if asked.short:
        plans = chaos_plan.every_kill()
        return plans if asked.only is None else [plans[asked.only]]
    places = range(asked.first, asked.rounds) if asked.only is None else [asked.only]
    return [chaos_plan.plan_round(asked.seed, place, asked.daemon_every) for place in places]


def _temporary_folder() -> Path:
    """Make a folder in memory where there is one: SIGKILL leaves it as it leaves a disk."""
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    return Path(tempfile.mkdtemp(prefix="numebot-chaos-", dir=parent))


def _say_how_to_repeat(
    console: Console, asked: argparse.Namespace, outcome: Outcome, folder: Path
) -> None:
    if not outcome.findings:
        if asked.folder is None:
            shutil.rmtree(folder)
        return
    places = sorted({finding.index for finding in outcome.findings if finding.index >= 0})
    console.print(f"Seed {asked.seed}; everything is in {folder}", soft_wrap=True, highlight=False)
    form = "--short" if asked.short else f"--daemon-every {asked.daemon_every}"
    for place in places[:5]:
        console.print(
            f"  python -m tests.chaos.run --seed {asked.seed} {form} --only {place}",
            soft_wrap=True,
            highlight=False,
        )


if __name__ == "__main__":
    main()
