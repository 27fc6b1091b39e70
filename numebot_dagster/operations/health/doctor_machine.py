"""Check the machine: the features of its disk, its memory, and that models can be imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from numebot_dagster.lake import files
from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.worker.failures import ModelError
from numebot_dagster.modeling.worker.messages import DescribeRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations.health.findings import Check, Finding, Verdict

GIGABYTE = 10**9
LEAST_MEMORY = 4 * GIGABYTE
# More than any machine has: how the first version of control groups says that there is no limit.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Memory:
    """Bytes that may be used and that are free; `limit` names the limit if not the machine's."""

    total: int
    available: int
    limit: str = ""


def examine_memory(root: Path = Path("/")) -> Finding:
    """Return how much memory a model can use: the machine's, or what its container allows."""
    memory = available_memory(root)
    text = (
        f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB available"
        f"{memory.limit}"
    )
    if memory.available < LEAST_MEMORY:
        remedy = "close other programs; a model is stopped when it exceeds its memory_budget"
        if memory.limit:
            remedy = (
                "raise the container's limit; a process that exceeds it is killed without a message"
            )
        return Finding(Check.MEMORY, Verdict.WARNING, text, remedy)
    return Finding(Check.MEMORY, Verdict.OK, text)


def available_memory(root: Path = Path("/")) -> Memory:
    """Return the memory of the machine, or of the control group that allows this process least."""
    machine = psutil.virtual_memory()
    least = Memory(machine.total, machine.available)
    for folder in _control_groups(root):
        group = _read_group(folder)
        if group is not None and group.available < least.available:
            least = group
    return least


def _control_groups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's memory groups, each with those above it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
        else:
            continue
        # Within a container the path may be that of the machine: what exists of it counts.
        folder = mount / path.lstrip("/")
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(mount))


def _read_group(folder: Path) -> Memory | None:
    """Return the limit of one group, of either version of control groups, if it has one."""
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            limit = (folder / limit_file).read_text().strip()
            used = int((folder / used_file).read_text())
            stat = dict(
                line.split(" ", 1) for line in (folder / "memory.stat").read_text().splitlines()
            )
        except (OSError, ValueError):
            continue
        if limit == "max" or int(limit) >= _NO_LIMIT:
            return None
        # Cached files count as used, but make room when it is needed.
        cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
        available = max(int(limit) - used + cached, 0)
        return Memory(int(limit), available, " (the limit of this container or service)")
    return None


def examine_disk_abilities(lake: Lake) -> Finding:
    """Try what a round needs of the disk: exclusive creation, syncing of folders, locks."""
    abilities = files.probe(lake.root)
    if not abilities.locks:
        text = (
            f"the disk of {lake.root} cannot lock files, which keep processes from working at once"
        )
        remedy = "set NUMERAI_DATA_FOLDER to a folder on a local disk (ext4, xfs, apfs, …)"
        return Finding(Check.DISK_FEATURES, Verdict.FAILURE, text, remedy)
    notes = [
        *(["no hard links: receipts are created under a lock"] if not abilities.links else []),
        *(["no folder sync: a power cut may lose the newest files"]
          if not abilities.folder_sync else []),
    ]  # fmt: skip
    if not notes:
        return Finding(Check.DISK_FEATURES, Verdict.OK, "hard links, folder sync and locks work")
    return Finding(Check.DISK_FEATURES, Verdict.OK, f"locks work; {'; '.join(notes)}")


def examine_classes(models: list[RegisteredModel]) -> Iterator[Finding]:
    """Import the class of each model in a worker, as its training and its round will."""
    imported = []
    with Worker() as worker:
        for model in models:
            try:
                worker.describe(DescribeRequest(model.name, model.code))
            except ModelError as error:
                text = str(error).splitlines()[0]
                remedy = f"correct the model's code, or model_code of {model.name} in the registry"
                yield Finding(Check.CLASSES, Verdict.FAILURE, text, remedy)
            else:
                imported.append(model.name)
    if imported:
        yield Finding(Check.CLASSES, Verdict.OK, f"imported in a worker: {', '.join(imported)}")
