import polars as pl

from numebot_dagster.reporting import payout_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

SCHEMA = {"model": pl.String, "round": pl.Int64, "payout_nmr": pl.Float64, "settled": pl.Boolean}


def test_what_was_settled_is_cumulated_by_model():
    rows = [
        ("a", 1300, 1.0, True), ("a", 1301, -0.25, True), ("a", 1302, 9.0, False),
        ("b", 1301, 0.5, True),
    ]  # fmt: skip
    picture = payout_charts.paid_by_model(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    assert picture.result == "+1.250 NMR by 2 models."
    assert Drawing(picture.svg()).colours[LIGHT.lines[0]] > 0
    [drawn] = (
        rows for rows in picture.specification()["datasets"].values() if {"nmr"} <= rows[0].keys()
    )
    assert [(row["round"], row["nmr"]) for row in drawn if row["model"] == "a"] == [
        (1300, 1.0), (1301, 0.75),
    ]  # fmt: skip


def test_nothing_was_paid_yet():
    picture = payout_charts.paid_by_model(pl.DataFrame([], schema=SCHEMA))
    assert picture.result.startswith("No round has been paid yet.")
