from dataclasses import replace
from datetime import UTC, datetime

import pytest

from numebot_dagster.reporting.pages import round as round_page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.reporting.pages.round import Line, RoundPage, Rule, Value, Verdict
from numebot_dagster.reporting.pages.today import Cell

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
FRAME = Frame("Numerai", NOW).below()
LINE = Line(
    model="lark",
    page="lark.html",
    dagster={"submission": "/assets/models/lark/submission?partition=1344"},
    weights_page="/assets/models/lark/weights?partition=1340",
    state=Cell.LOWER,
    text="confirmed: out of memory",
    rung="previous",
    vintage=1340,
    rows=6012,
    filename="predictions.csv",
    sha256="0" * 64,
    moments={
        "predicting": 12.1,
        "predicted": 18.15,
        "submitted": 20.0,
        "accepted": 60.5,
        "confirmed": 121.0,
    },
    predict_seconds=6.05,
    memory_mb=1512.4,
    verdicts=(
        Verdict("canary_predicts_as_trained", True, "as trained"),
        Verdict("agrees_with_example", False, "rank correlation -0.1"),
    ),
    scores={"mmc60": Value(0.0021, 11, "1", False)},
)
RULES = (Rule("mmc60", "1", "60", "15", "1", ""),)
DUE = "First scores of round 1344 are due on Tue 1 Dec, about 14:30 UTC."


def test_a_round_that_nobody_has_tried():
    command = "numebot run --round 1344"
    html = round_page.page(
        RoundPage(1344, "open", {"opened": NOW}, None, (), (), (), DUE, {}, command=command), FRAME
    )
    assert command in html
    closed = round_page.page(
        RoundPage(1344, "resolved", {"opened": NOW}, None, (), (), (), DUE, {}), FRAME
    )
    assert "No model has tried this round." in closed
    assert "numebot run" not in closed
    assert "Numerai named no score configurations" in html


def test_who_submitted_what_when():
    runs = {"runs": "/runs?q[]=tag"}
    metrics = ("corr60", "mmc60")
    details = RoundPage(1344, "closed", {"opened": NOW}, 12, (LINE,), RULES, metrics, DUE, runs)
    html = round_page.page(details, FRAME)
    assert details.longest == 121.0
    assert '<a href="../lark.html">lark</a>' in html
    assert 'style="left:50.0%" title="accepted after 60.5 s"' in html
    assert "121.0 s" in html
    assert '↓ previous weights</span><small class="reason">out of memory</small>' in html
    assert "6,012" in html
    assert "6.0 s" in html
    assert "1,512 MB" in html
    assert 'style="left:10.0%;width:5.0%" title="predicted after 18.1 s"' in html
    verdict = "agrees_with_example: rank correlation -0.1"
    assert f'1 of 2 passed</span><small class="reason">{verdict}</small>' in html
    assert '<a href="/assets/models/lark/weights?partition=1340">1340</a>' in html
    assert '<a href="/assets/models/lark/submission?partition=1344">submission</a>' in html
    assert '<a href="/runs?q[]=tag">runs</a>' in html
    assert DUE not in html
    assert "scoring day 12" in html
    assert 'title="version 1, day 11">+0.0021' in html
    figures = ("60", "15", "1", "\N{EN DASH}")
    row = "".join(f'<td class="number">{figure}</td>' for figure in figures)
    assert f"<td>MMC60</td><td>1</td>{row}" in html


def test_before_the_first_score_it_says_when_it_is_due():
    unscored = replace(LINE, scores={})
    html = round_page.page(
        RoundPage(1344, "closed", {"opened": NOW}, None, (unscored,), RULES, (), DUE, {}), FRAME
    )
    assert DUE in html


def test_a_quick_round_is_drawn_on_a_minute():
    assert RoundPage(1, "open", {}, None, (), (), (), "", {}).longest == 60


@pytest.mark.parametrize(
    ("scores", "state", "waits"),
    [
        ([], Cell.ON_TIME, True),
        ([], Cell.FAILED, False),
        ([(30, False)], Cell.ON_TIME, True),
        ([(20, True), (30, False)], Cell.ON_TIME, True),
        ([(20, False), (60, True)], Cell.ON_TIME, False),  # of 20 days: it ended before the round
        ([(60, True), (60, False)], Cell.ON_TIME, True),
    ],
)
def test_what_may_still_be_scored(scores, state, waits):
    values = {f"{place}": Value(0.01, day, "1", last) for place, (day, last) in enumerate(scores)}
    assert replace(LINE, scores=values, state=state).waits_for_scores is waits


def test_a_resolved_round_without_scores_awaits_none():
    unscored = replace(LINE, scores={})
    html = round_page.page(
        RoundPage(1344, "resolved", {"opened": NOW}, None, (unscored,), RULES, (), "", {}), FRAME
    )
    assert "None has been stored." in html


@pytest.mark.parametrize(
    ("status", "shown", "absent"),
    [
        ("resolved", "<h2>Scores <", "running values"),
        ("open", "<h2>Scores so far <", "<h2>Scores <"),
    ],
)
def test_scores_of_a_resolved_round_run_no_more(status, shown, absent):
    details = RoundPage(1344, status, {"opened": NOW}, 12, (LINE,), RULES, ("mmc60",), "", {})
    html = round_page.page(details, FRAME)
    assert shown in html
    assert absent not in html
