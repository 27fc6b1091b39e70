from datetime import UTC, datetime

import pytest

from numebot_dagster.reporting import charts
from numebot_dagster.reporting.pages import fleet as fleet_page
from numebot_dagster.reporting.pages.fleet import Fleet, Line
from numebot_dagster.reporting.pages.page import LIBRARY, Frame

FRAME = Frame("Numerai", datetime(2026, 11, 29, 12, 30, tzinfo=UTC))
PAGES = {"mmc60": "fleet/mmc60.html", "corr60": "fleet/corr60.html"}


def lines(count):
    names = (f"m{index}" for index in range(count))
    return [
        Line(name, f"{name}.html", 3, 60, 0.0123, 0.876, 7.25, 0.034, 47, "worse") for name in names
    ]


def test_a_model_with_its_figures(score_frame):
    picture = charts.final_by_round(
        score_frame(("m0", 1343, "mmc60", 60, 0.01, "1", None, True)), "mmc60"
    )
    html = fleet_page.page(Fleet("mmc60", PAGES, lines(1), [picture]), FRAME)
    for text in (
        "+0.0123",
        ">88<",
        ">0.03<",
        ">47<",
        ">60<",
        ">7.2<",
        "worse",
        picture.title,
        picture.result,
    ):
        assert text in html
    assert '<option value="fleet/mmc60.html" selected>MMC60</option>' in html
    assert '<option value="fleet/corr60.html">CORR60</option>' in html
    assert f'<script src="{LIBRARY}"></script>' in html


def test_from_a_page_below_all_links_lead_up():
    html = fleet_page.page(Fleet("mmc60", PAGES, lines(1), []), FRAME.below())
    assert '<option value="../fleet/corr60.html">' in html
    assert f'<script src="../{LIBRARY}"></script>' in html


@pytest.mark.parametrize(("count", "choice"), [(8, False), (9, True)])
def test_models_of_a_large_fleet_can_be_drawn_apart(count, choice):
    html = fleet_page.page(Fleet("mmc60", PAGES, lines(count), []), FRAME)
    assert ('<input type="checkbox" name="models" value="m0">' in html) is choice


def test_unknown_figures_are_dashes_and_no_scores_are_said():
    unknown = Line("new", "new.html", 0, 0, None, None, None)
    html = fleet_page.page(Fleet("mmc60", PAGES, [unknown], []), FRAME)
    assert html.count(">\N{EN DASH}</td>") == 4
    assert "No MMC60 score" in fleet_page.page(Fleet("mmc60", PAGES, [], []), FRAME)
