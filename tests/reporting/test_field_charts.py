"""Places in the field: percentiles, ranks, reputations."""

from datetime import date, timedelta

import polars as pl
import pytest

from numebot_dagster.reporting import field_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

DAY = date(2026, 11, 1)


def leaderboard(models: int, days: int = 3) -> pl.DataFrame:
    rows = [
        (DAY + timedelta(days=day), f"m{index:02}", 100 * index + day, index / 1000)
        for day in range(days)
        for index in range(1, models + 1)
    ]
    return pl.DataFrame(rows, schema=["date", "model", "rank", "reputation"], orient="row")


def test_the_best_rank_is_at_the_top():
    picture = field_charts.ranks(leaderboard(2))
    assert picture.result == "On 2026-11-03 m01 is at 102, m02 is at 202."
    texts = Drawing(picture.svg()).texts
    assert [text for text in texts if text in ("m01", "m02")] == ["m01", "m02"]
    assert texts.index("100") < texts.index("200") or picture.svg().index(">200<") > 0
    assert field_charts.ranks(leaderboard(1)).result == "On 2026-11-03 m01 is at 102."


def test_reputations_of_few_are_lines_and_of_many_are_bands():
    few, many = (field_charts.reputations(leaderboard(n), "mmc60") for n in (2, 20))
    assert few.result == "Highest: m02 +0.0020; lowest: m01 +0.0010."
    assert Drawing(few.svg()).colours[LIGHT.lines[1]] > 0
    assert Drawing(many.svg()).colours[LIGHT.accent] == 3
    assert "Bands" in many.subtitle
    assert "Bands" not in few.subtitle


def test_running_rounds_have_a_grey_ground_and_count_for_no_median(score_frame):
    rows = [
        ("a", 1340, "mmc60", 60, 0.01, "1", 0.25, True),
        ("a", 1341, "mmc60", 60, 0.01, "1", 0.75, True),
        ("a", 1342, "mmc60", 60, 0.01, "1", 0.8, True),
        ("a", 1343, "mmc60", 12, 0.01, "1", 0.01, False),
        ("b", 1340, "mmc60", 60, 0.01, "1", float("nan"), True),
    ]
    picture = field_charts.percentiles(score_frame(*rows), "mmc60")
    assert picture.result == "Median percentile of 3 resolved rounds: 75."
    assert Drawing(picture.svg()).colours[LIGHT.shade] == 1
    resolved = field_charts.percentiles(score_frame(*rows[:3]), "mmc60")
    assert Drawing(resolved.svg()).colours[LIGHT.shade] == 0


def test_a_year_of_leaderboards_is_thinned_to_the_newest():
    whole = leaderboard(1, days=400)
    kept = field_charts.thinned(whole)["date"]
    assert len(kept) == 134
    assert max(kept) == max(whole["date"])
    assert field_charts.thinned(leaderboard(2)).height == 6
    assert field_charts.thinned(leaderboard(0)).is_empty()


@pytest.mark.parametrize(
    "picture",
    [
        field_charts.ranks(leaderboard(0)),
        field_charts.reputations(leaderboard(0), "mmc60"),
    ],
)
def test_nothing_to_draw_is_said(picture):
    assert picture.result.startswith("The leaderboard has not been read yet.")


def test_no_percentile_is_said(score_frame):
    picture = field_charts.percentiles(score_frame(), "mmc60")
    assert picture.result.startswith("Numerai has named no percentile yet.")
