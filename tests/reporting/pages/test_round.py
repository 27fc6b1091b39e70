from datetime import UTC, datetime

from numebot_dagster.reporting.pages import round as round_page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.reporting.pages.round import Line, RoundPage, Rule
from numebot_dagster.reporting.pages.today import Cell

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
FRAME = Frame("Numerai", NOW).below()
LINE = Line(
    model="lark",
    page="lark.html",
    run="/assets/models/lark/submission?partition=1344",
    state=Cell.LOWER,
    text="confirmed: out of memory",
    rung="previous",
    vintage=1340,
    rows=6012,
    filename="predictions.csv",
    sha256="0" * 64,
    moments={"submitted": 20.0, "accepted": 60.5, "confirmed": 121.0},
    predict_seconds=3.21,
    scores={"mmc60": 0.0021},
)
RULES = (Rule("mmc60", "1", "15"),)


def test_a_round_that_nobody_has_tried():
    command = "numebot run --round 1344"
    html = round_page.page(
        RoundPage(1344, "open", {"opened": NOW}, None, (), (), (), command=command), FRAME
    )
    assert command in html
    closed = round_page.page(RoundPage(1344, "resolved", {"opened": NOW}, None, (), (), ()), FRAME)
    assert "No model has tried this round." in closed
    assert "numebot run" not in closed
    assert "Numerai named no score configurations" in html


def test_who_submitted_what_when():
    details = RoundPage(1344, "closed", {"opened": NOW}, 12, (LINE,), RULES, ("corr60", "mmc60"))
    html = round_page.page(details, FRAME)
    assert details.longest == 121.0
    assert '<a href="../lark.html">lark</a>' in html
    assert 'style="left:50.0%" title="accepted after 60.5 s"' in html
    assert "121.0 s" in html
    assert "↓ previous weights</span><br><small>out of memory</small>" in html
    assert "6,012" in html
    assert "3.2 s" in html
    assert "scoring day 12" in html
    assert "+0.0021" in html
    assert '<td>MMC60</td><td>1</td><td class="number">15</td>' in html


def test_a_quick_round_is_drawn_on_a_minute():
    assert RoundPage(1, "open", {}, None, (), (), ()).longest == 60
