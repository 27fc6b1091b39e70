import json
import re
from datetime import UTC, datetime

import pytest

from numebot_dagster.reporting import charts
from numebot_dagster.reporting.pages import fleet as fleet_page
from numebot_dagster.reporting.pages.fleet import (
    Bet,
    Estimate,
    Fleet,
    Line,
    LivePredictions,
    Window,
)
from numebot_dagster.reporting.pages.page import LIBRARY, Frame

FRAME = Frame("Numerai", datetime(2026, 11, 29, 12, 30, tzinfo=UTC))
PAGES = {"mmc60": "fleet/mmc60.html", "corr60": "fleet/corr60.html"}
BETTER = Estimate(0.0123, 0.004, 0.034, 47, "better", None)
UNTOLD = Estimate(-0.00213456, 0.01, 0.9, 261, "cannot be told apart", 4210.0)
NOTHING = Fleet("mmc60", PAGES, [], [Window(0, 0, {"": []})], [])


def fleet(*estimates: Estimate, **more) -> Fleet:
    """Return what a page shows of as many models."""
    names = [f"m{index}" for index in range(len(estimates))]
    window = Window(63, 1200, {"": estimates}, 0.012, [names])
    lines = [Line(name, f"{name}.html", 3, 60, 0.876, 7.25) for name in names]
    return Fleet("mmc60", PAGES, lines, [window], **{"pictures": [], **more})


def data_of(html: str) -> dict:
    [text] = re.findall(r'id="estimates">(.*?)</script>', html)
    return json.loads(text)


def test_a_model_with_its_figures(score_frame):
    picture = charts.final_by_round(
        score_frame(("m0", 1343, "mmc60", 60, 0.01, "1", None, True)), "mmc60"
    )
    html = fleet_page.page(fleet(BETTER, pictures=[picture]), FRAME)
    for text in ("+0.0123", ">88<", ">0.03<", ">47<", ">3 + 60<", ">7.2<", ">better<", "±0.0120"):
        assert text in html
    for text in (
        picture.title,
        picture.result,
        "63 rounds since round 1200: 1 better than zero, 0 worse, 0 cannot",
    ):
        assert text in html
    assert '<option value="fleet/mmc60.html" selected>MMC60</option>' in html
    assert '<option value="fleet/corr60.html">CORR60</option>' in html
    assert f'<script src="{LIBRARY}"></script>' in html
    assert 'name="models"' not in html  # of one model there is nothing to choose


def test_from_a_page_below_all_links_lead_up():
    html = fleet_page.page(fleet(BETTER), FRAME.below())
    assert '<option value="../fleet/corr60.html">' in html
    assert f'<script src="../{LIBRARY}"></script>' in html


def test_what_a_reader_may_choose():
    few = Window(60, 1285, {"": [BETTER, UNTOLD]}, None, [["m0"], ["m1"]], ["m2"])
    every = Window(
        345, 1000, {"": [UNTOLD, BETTER], "m0": [Estimate(), UNTOLD]}, 0.01, [["m0", "m1"]]
    )
    lines = [Line(name, "", 0, 0, None, None) for name in ("m0", "m1")]
    html = fleet_page.page(Fleet("mmc60", PAGES, lines, [every, few], []), FRAME)
    for option in ('value="">all 345', 'value="60">last 60', 'value="">zero', 'value="m0">m0'):
        assert option in html
    assert '<input type="checkbox" name="models" value="m1">' in html
    assert "the other model cannot be told apart from m0" in html
    assert "<li>m0</li><li>m1</li>" in html
    assert "depend on each other: m2." in html
    assert "in 4,210 more days" in html
    data = data_of(html)
    assert [window["since"] for window in data["windows"]] == [0, 1285]
    own, other = data["windows"][0]["estimates"]["m0"]
    assert (own, data["skills"][own[4]]) == ([None, None, None, 0, 0, None], "")
    assert (other, data["skills"][other[4]]) == (
        [-0.00213, 0.01, 0.9, 261, 3, 4210.0],
        "cannot be told apart",
    )


@pytest.mark.parametrize("share", [None, 0.25])
def test_bets_with_and_without_a_stake(share, score_frame):
    bets = [Bet(["m0", "m1"], 12.5, share, None if share is None else -0.5)]
    picture = charts.mean_final(score_frame(), "mmc60")
    live = LivePredictions(picture, ["One bet.", "As submitted."], bets)
    html = fleet_page.page(fleet(BETTER, UNTOLD, live=live), FRAME)
    assert "<td>m0, m1</td>" in html
    assert ("25%" in html) is (share is not None)
    assert (">\N{MINUS SIGN}0.50<" in html) is (share is not None)


def test_tags_of_the_registry_can_be_chosen():
    lines = [
        Line("m0", "", 0, 0, None, None, ["family=<tree>"]), Line("m1", "", 0, 0, None, None),
    ]  # fmt: skip
    window = Window(1, 0, {"": [BETTER, UNTOLD]})
    html = fleet_page.page(Fleet("mmc60", PAGES, lines, [window], []), FRAME)
    assert "<option>family=&lt;tree&gt;</option>" in html
    assert html.count("data-tags=") == 1
    assert 'name="tag"' not in fleet_page.page(fleet(BETTER), FRAME)


def test_unknown_figures_are_dashes_and_no_scores_are_said():
    html = fleet_page.page(
        Fleet("mmc60", PAGES, [Line("new", "new.html", 0, 0, None, None)],
              [Window(0, 0, {"": [Estimate()]})], []),
        FRAME,
    )  # fmt: skip
    assert html.count(">\N{EN DASH}</td>") == 4
    assert "No MMC60 score" in fleet_page.page(NOTHING, FRAME)


def test_models_that_are_too_early_are_counted_alone():
    early, none = Estimate(skill="too early"), Estimate()
    window = Window(63, 1200, {"": [BETTER, UNTOLD, UNTOLD, early, none]})
    assert window.words == (
        "63 rounds since round 1200: 1 better than zero, 0 worse, 2 cannot be told apart, "
        "1 too early"
    )


def test_a_group_of_several_counts_the_others():
    html = fleet_page.page(fleet(BETTER, UNTOLD, UNTOLD), FRAME)
    assert "One group: the other 2 models cannot be told apart from m0" in html
    assert "at most 5 %, however often you look" in html
    assert "One group" not in fleet_page.page(fleet(BETTER), FRAME)
