from datetime import date, timedelta

import polars as pl
import pytest

from numebot_dagster.reporting import money_charts
from numebot_dagster.reporting.theme import LIGHT
from tests.support.pictures import Drawing

FIRST = date(2026, 11, 27)
SCHEMA = {"date": pl.Date, "nmr": pl.Float64, "resolved": pl.Boolean}


def frame(*rows):
    """Return amounts by the day paid, counted from the first."""
    days = [(FIRST + timedelta(days=day), nmr, resolved) for day, nmr, resolved in rows]
    return pl.DataFrame(days, schema=SCHEMA, orient="row")


ROWS = frame((3, 0.5, False), (0, 1.0, True), (1, -0.5, True), (1, 0.25, True), (4, 0.25, False))
PATHS = pl.DataFrame(
    {
        "date": [FIRST + timedelta(days=day) for day in (3, 4)],
        "q05": [-1.0, -2.0],
        "q25": [-0.5, -1.0],
        "q75": [0.5, 1.0],
        "q95": [1.0, 2.0],
    }
)


def test_settled_is_solid_and_pending_dashed():
    picture = money_charts.paid(ROWS)
    assert picture.result == (
        "+0.750 NMR so far; +1.500 NMR if all running rounds ended as they stand."
    )
    assert Drawing(picture.svg()).colours[LIGHT.accent] == 2


def test_the_paths_begin_where_the_settled_line_ends():
    picture = money_charts.paid(ROWS, PATHS)
    assert picture.result.endswith("paths end between \N{MINUS SIGN}1.250 NMR and +2.750 NMR.")
    assert Drawing(picture.svg()).colours[LIGHT.accent] == 4
    outer = next(iter(picture.specification()["datasets"].values()))
    assert [(row["q05"], row["q95"]) for row in outer] == [
        (0.75, 0.75),
        (-0.25, 1.75),
        (-1.25, 2.75),
    ]
    assert outer[0]["date"] == "2026-11-28"


@pytest.mark.parametrize("days", [1, 2, 9])
def test_the_axis_names_each_date_once(days):
    rows = frame((0, 1.0, True), (days, 0.5, False))
    dates = [text for text in Drawing(money_charts.paid(rows).svg()).texts if text.endswith(" 26")]
    assert dates[0] == "27 Nov 26"
    assert len(dates) == len(set(dates))


@pytest.mark.parametrize("paths", [None, PATHS])
def test_nothing_has_resolved_yet(paths):
    picture = money_charts.paid(frame((5, 0.5, False)), paths)
    assert picture.result.startswith("0.000 NMR so far; +0.500 NMR if")
    assert Drawing(picture.svg()).colours[LIGHT.accent] >= 1


def test_no_stake_yet():
    assert money_charts.paid(frame()).result.startswith("No round had a stake yet")
