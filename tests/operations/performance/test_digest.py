"""The digest of a day's scores, for few models and for many."""

from __future__ import annotations

from datetime import date

import polars as pl

from numebot_dagster.operations.performance.digest import of_day


def scores(models: int) -> pl.DataFrame:
    rows = [
        (f"m{number}", metric, 60, number / 1000, 2 * (number % 2), number / 500)
        for number in range(models)
        for metric in ("corr60", "mmc60")
    ]
    return pl.DataFrame(
        rows, ["model", "metric", "rounds", "mean", "resolved", "final"], orient="row"
    )


def test_few_models_have_a_line_each():
    alert = of_day(date(2026, 11, 24), scores(2))
    assert alert.title == "Scores of Tue 24 Nov for 2 models"
    assert alert.text.splitlines() == [
        "- m0: corr60 0.0000, mmc60 0.0000 over 60 rounds",
        "- m1: corr60 +0.0010, mmc60 +0.0010 over 60 rounds; "
        "final of 2 rounds: corr60 +0.0020, mmc60 +0.0020",
        "Only final scores are paid. See also: numebot sql 'from scores limit 20'",
    ]


def test_of_fifty_models_the_ends_are_shown():
    lines = of_day(date(2026, 11, 24), scores(50)).text.splitlines()
    assert len(lines) == 11
    assert [line[:6] for line in lines[:3]] == ["Highes", "- m49:", "- m48:"]
    assert lines[-2].startswith("- m0:")
    assert sum(map(len, lines)) < 1000
