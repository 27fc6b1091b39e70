import polars as pl

from numebot_dagster.reporting import money_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

SCHEMA = {"round": pl.Int64, "nmr": pl.Float64, "resolved": pl.Boolean}


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_settled_is_solid_and_pending_dashed():
    rows = frame((1345, 0.5, False), (1343, 1.0, True), (1344, -0.25, True))
    picture = money_charts.paid(rows)
    assert picture.result == (
        "+0.750 NMR so far; +1.250 NMR if all running rounds ended as they stand."
    )
    assert Drawing(picture.svg()).colours[LIGHT.accent] == 2


def test_nothing_has_resolved_yet():
    picture = money_charts.paid(frame((1345, 0.5, False)))
    assert picture.result.startswith("0.000 NMR so far; +0.500 NMR if")


def test_no_stake_yet():
    assert money_charts.paid(frame()).result.startswith("No round had a stake yet")
