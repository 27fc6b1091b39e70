import polars as pl

from numebot_dagster.reporting import skill_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

SCHEMA = {"model": pl.String, "mean": float, "low": float, "high": float, "skill": pl.String}


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_what_is_known_has_a_colour_and_the_order_stays():
    rows = frame(
        ("lark", 0.02, 0.01, 0.03, "better"),
        ("ember", 0.001, -0.01, 0.012, "cannot be told apart"),
        ("moss", -0.02, -0.03, -0.01, "worse"),
        ("new", 0.0, None, None, "too early"),
    )
    picture = skill_charts.intervals(rows, "mmc60", 280)
    drawn = Drawing(picture.svg())
    # The point of each; its interval is a line element.
    for colour in (LIGHT.accent, LIGHT.untold, LIGHT.worse):
        assert drawn.colours[colour] >= 1
    assert [text for text in drawn.texts if text in ("lark", "ember", "moss", "new")] == [
        "lark", "ember", "moss",
    ]  # fmt: skip
    assert picture.subtitle.startswith(
        "280 rounds: 1 better than zero, 1 worse, 2 cannot be told apart."
    )


def test_too_early_for_all():
    picture = skill_charts.intervals(frame(("new", 0.0, None, None, "too early")), "mmc60", 3)
    assert picture.result.startswith("It is too early to say anything")
