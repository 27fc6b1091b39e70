"""What a terminal of 80 columns shows."""

from __future__ import annotations

import pytest

COLUMNS = {"COLUMNS": "80"}
WIDE = "select " + ", ".join(f"'value {index}' as quite_a_long_name_{index}" for index in range(30))


def test_an_answer_with_too_many_columns_loses_none(world):
    shown = world.numebot("sql", f"{WIDE} union all {WIDE.replace('value', 'other')}", **COLUMNS)
    assert shown.returncode == 0, shown.stderr
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line.strip()]
    for word in ("value", "other"):
        for index in range(30):
            assert [f"quite_a_long_name_{index}", f"{word} {index}"] in [
                [part.strip() for part in line] for line in lines
            ]
    assert ["Row", "1"] in [[part.strip() for part in line] for line in lines]
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


def test_an_answer_that_fits_is_a_table(world):
    shown = world.numebot("sql", "select 7 as round, 'one' as model, 0.25 as corr", **COLUMNS)
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["round", "model", "corr"] in rows
    assert ["7", "one", "0.2500"] in rows


@pytest.mark.parametrize("arguments", [["status"], ["train"]], ids=lambda words: words[0])
def test_tables_break_no_word(world, arguments):
    shown = world.numebot(*arguments, **COLUMNS)
    assert shown.returncode == 0, shown.stderr
    for name in ("steady-1", "second"):
        assert any(name in line.split() for line in shown.stdout.splitlines())
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("run", "any time: it goes on where it was stopped and never submits twice. Exit status"),
        ("train", "A vintage is named by the newest round. Training again during the same round"),
        ("demo", "Starts a practice tournament, trains two models, plays rounds until each"),
        ("up", "Start the Dagster UI and the daemon, which notices rounds and collects scores."),
        (
            "status",
            "Read from the data folder. Numerai is asked for the open round alone, for five",
        ),
        ("doctor", "Each is ok, or says what to do. Exit status 0 means that nothing failed."),
        ("practice", "The practice tournament: Numerai's stand-in on your own machine."),
    ],
)
def test_help_reads_as_running_text(world, command, line):
    shown = world.numebot(command, "--help", **COLUMNS)
    assert f" {line}" in [one.rstrip() for one in shown.stdout.splitlines()]
