import json
import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from numebot_dagster.lake import tables
from numebot_dagster.reporting import charts
from numebot_dagster.reporting.pages import page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.reporting.theme import DARK, LIGHT

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
EVIL = "</script><script>alert('x')</script>&\u2028"


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=59), "a moment"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=23), "23 hours"),
        (timedelta(days=13), "13 days"),
        (timedelta(days=14), "2 weeks"),
        (timedelta(seconds=-5), "a moment"),
    ],
)
def test_ages_in_words(passed, text):
    assert page.age(NOW - passed, NOW) == text


def test_a_moment_is_in_utc_with_the_readers_own_on_hover():
    assert page.moment(NOW) == (
        '<time datetime="2026-11-29T12:30:00+00:00">Sun 29 Nov 12:30 UTC</time>'
    )


@pytest.mark.parametrize("value", [EVIL, {EVIL: [EVIL]}])
def test_json_ends_no_script_element(value):
    text = page.as_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)


def test_a_chart_says_its_result_and_has_no_colours_of_its_own(score_frame):
    picture = charts.final_by_round(score_frame((EVIL, 1343, "corr60", 60, 0.01, "1", None, True)))
    html = page.chart(picture)
    specification = re.fullmatch(
        r".*<script type=\"application/json\">(.*?)</script>.*", html, re.DOTALL
    )
    assert specification is not None
    plain = json.loads(specification.group(1))
    assert "config" not in plain
    assert plain["width"] == "container"
    assert "alert(" not in html.replace(specification.group(0), "")
    assert "&lt;/script&gt;" in html
    assert not any(colour in html for colour in (*LIGHT.lines, *DARK.lines))


def test_nothing_is_fetched_from_outside():
    frame = Frame("practice tournament", NOW, timedelta(hours=-2))
    html = page.render("base.html", frame, section="today")
    assert not re.search(r"(src|href)=[\"'](https?:)?//", html)
    assert "@import" not in html
    assert 'data-skew="-7200.0"' in html
    for look in (LIGHT, DARK):
        assert f"--accent:{look.accent};" in html


def test_pages_below_know_the_way_back():
    frame = Frame("Numerai", NOW, sections=("today",)).below()
    html = page.render("base.html", frame, section="round")
    assert '<a href="../index.html">Today</a>' in html
    assert "Fleet" not in html


def test_no_scores_is_a_chart_too():
    html = page.chart(charts.mean_final(pl.DataFrame(schema=tables.SCORES.schema)))
    assert "No CORR60 score has been published yet" in html
