from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from numebot_dagster.reporting.pages import today as today_page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.reporting.pages.today import (
    Band,
    Cell,
    Change,
    Need,
    Notice,
    Row,
    Tile,
    Today,
)

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
COMMAND = "numebot run --models quill"
FRAME = Frame("practice tournament", NOW)
NOTHING = Today(Band(None, None, None, None, 0, 0), (), (), (), (), (), "", ())
FULL = Today(
    Band(
        1344, NOW - timedelta(minutes=30), NOW + timedelta(minutes=30), None, 1, 2, "1 predicting"
    ),
    (
        Need(
            "quill",
            "failed in round 1344: it <broke>",
            "numebot run --models quill",
            "r.html",
            "/runs",
        ),
    ),
    (Tile("at stake", "7.0 NMR", "Fri 28 Aug"), Tile("disk", "3 GB", "free", "warn")),
    (1343, 1344),
    (
        Row("lark", "lark.html", {1343: (Cell.ON_TIME, "confirmed"), 1344: (Cell.OPEN, "open")}),
        Row("quill", "quill.html", {1344: (Cell.FAILED, "failed: it <broke>")}),
    ),
    (Change("lark", "lark.html", 1340, 12, "mmc60", "2", 0.0123, -0.001, 0.876),),
    "",
    (Notice("quill failed", "- one\n- two", NOW),),
)


def test_before_the_first_round():
    html = today_page.page(NOTHING, FRAME)
    assert "No round yet" in html
    assert "Nothing needs you." in html
    assert "No round was played yet" in html
    assert "No score has been published yet" in html
    assert "No alert was raised yet." in html
    due = "First scores of round 1287 are due on Tue 1 Dec, about 14:30 UTC."
    assert due in today_page.page(replace(NOTHING, first_scores=due), FRAME)


def test_what_is_to_be_seen_at_once():
    html = today_page.page(FULL, FRAME)
    assert "1 of 2 confirmed</b> <small>· 1 predicting" in html
    assert 'data-until="2026-11-29T13:00:00+00:00"' in html
    assert "<code>numebot run --models quill</code>" in html
    assert "failed in round 1344: it &lt;broke&gt;" in html
    assert '<a href="r.html">more</a> <a href="/runs">runs</a>' in html
    assert 'class="tile warn"' in html
    assert 'title="version 2">+0.0123' in html
    expected = replace(FULL.band, following=NOW + timedelta(days=1))
    assert "expected <time" in today_page.page(replace(FULL, band=expected), FRAME)
    assert "+0.0123" in html
    assert "\N{MINUS SIGN}0.0010" in html
    assert ">88<" in html
    assert "- one\n- two" in html


def test_a_cell_opens_its_round_and_says_its_state_without_colour():
    html = today_page.page(FULL, FRAME)
    assert (
        '<td class="bad"><a href="rounds/1344.html" title="quill, round 1344: failed: it '
        '&lt;broke&gt;" aria-label="round 1344: failed: it &lt;broke&gt;">✗</a></td>'
    ) in html
    assert html.count("<td></td>") == 1  # quill was not there in round 1343


@pytest.mark.parametrize(
    ("confirmed", "models", "style"), [(2, 2, "good"), (1, 2, "warn"), (0, 0, "warn")]
)
def test_the_band_is_quiet_when_all_is_confirmed(confirmed, models, style):
    assert replace(FULL.band, confirmed=confirmed, models=models).style == style


def test_each_state_has_a_symbol_and_a_colour_of_its_own():
    assert len({cell.symbol for cell in Cell}) == len({cell.style for cell in Cell}) == len(Cell)
