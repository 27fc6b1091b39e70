"""What the machine offers, as `numebot doctor` tells it."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.operations.health.doctor_machine import (
    available_memory,
    examine_classes,
    examine_disk_abilities,
    examine_memory,
)
from numebot_dagster.operations.health.findings import Verdict

SECOND = ("memory.max", "memory.current", "inactive_file")
FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
GROUPS = [
    ("0::/", "", SECOND),
    ("0::/system.slice/numebot.service", "system.slice", SECOND),
    ("9:cpu:/x\n4:cpuacct,memory:/docker/ab", "memory", FIRST),
]


def group(root, line, folder, names, limit):
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(line + "\n")
    place = root / "sys/fs/cgroup" / folder
    place.mkdir(parents=True, exist_ok=True)
    limit_file, used_file, cached = names
    (place / limit_file).write_text(f"{limit}\n")
    (place / used_file).write_text("900000\n")
    (place / "memory.stat").write_text(f"anon 1\n{cached} 400000\n")


@pytest.mark.parametrize(("line", "folder", "names"), GROUPS)
def test_the_limit_of_a_container_is_what_counts(tmp_path, line, folder, names):
    group(tmp_path, line, folder, names, 1_000_000)
    memory = available_memory(tmp_path)
    assert (memory.total, memory.available) == (1_000_000, 500_000)
    finding = examine_memory(tmp_path)
    assert finding.verdict is Verdict.WARNING
    assert "the limit of this container" in finding.text


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_without_a_limit_the_machines_memory_counts(tmp_path, limit):
    machine = available_memory(tmp_path / "nothing")
    for line, folder, names in GROUPS:
        group(tmp_path, line, folder, names, limit)
        assert available_memory(tmp_path).total == machine.total


def test_what_the_disk_can_do(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    assert examine_disk_abilities(lake).text == "hard links, folder sync and locks work"

    def refuse(module, name, number):
        def refused(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(module, name, refused)

    refuse(os, "link", errno.EPERM)
    finding = examine_disk_abilities(lake)
    assert finding.verdict is Verdict.OK
    assert "no hard links" in finding.text
    assert "no folder sync" not in finding.text
    refuse(fcntl, "flock", errno.ENOLCK)
    finding = examine_disk_abilities(lake)
    assert finding.verdict is Verdict.FAILURE
    assert "cannot lock files" in finding.text
    assert list(tmp_path.iterdir()) == []  # nothing is left of it


@pytest.mark.process
def test_a_class_that_does_not_exist_is_named():
    here = "tests.support.quick_models"
    models = [
        RegisteredModel(name, name, f"{here}:{cls}", ModelCode(here, cls))
        for name, cls in (("good", "Ridge"), ("bad", "Rigde"))
    ]
    wrong, right = sorted(examine_classes(models), key=lambda finding: finding.verdict)
    assert wrong.verdict is Verdict.FAILURE
    assert "bad failed to import" in wrong.text
    assert "model_code of bad" in wrong.remedy
    assert right.text == "imported in a worker: good"
