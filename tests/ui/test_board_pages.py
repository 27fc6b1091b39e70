"""The pages of the board in headless Chromium, for one model, a few and fifty."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError

from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.reporting.numbers import score
from numebot_dagster.reporting.theme import DARK, LIGHT
from tests.support.fleets import NEWEST, fleet

pytestmark = pytest.mark.browser

PAGES = ("index", "fleet", "money", "models/model_00", f"rounds/{NEWEST}")
# What sticks out of the page, and texts that are cut off within their box.
CUT_OFF = """() => [
    document.documentElement.scrollWidth > document.documentElement.clientWidth ? "the page" : "",
    ...[...document.querySelectorAll("h1, h2, .tile b, .band b, p, code, button")]
        .filter((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1)
        .map((element) => element.textContent),
].filter(Boolean)"""
DRAWN = """() => [...document.querySelectorAll("figure.chart")].map((figure) => {
    const picture = figure.querySelector("svg.marks");
    return picture === null ? 0 : picture.getBoundingClientRect().width;
})"""


SLOW = [pytest.param(count, marks=pytest.mark.slow) for count in (2, 50)]


@pytest.fixture(scope="module", params=[1, 20, *SLOW])
def pages(request, tmp_path_factory):
    """Return the folder of the pages of so many models."""
    return request.param, board.write(fleet(tmp_path_factory.mktemp("fleet"), request.param)).parent


def colour_of(name: str) -> str:
    red, green, blue = (int(name[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


@pytest.fixture
def visit(browser):
    """Open a page, and return it with what the browser complained of."""
    opened = []

    def go(path: Path, query: str = ""):
        page = browser.new_page(viewport={"width": 900, "height": 900}, color_scheme="light")
        opened.append(page)
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.extend([line.text] * (line.type == "error")))
        page.on(
            "request", lambda asked: complaints.extend([asked.url] * asked.url.startswith("http"))
        )
        page.goto(f"{path.as_uri()}{query}")
        page.wait_for_selector("html[data-drawn=all]", state="attached")
        return page, complaints

    yield go
    for page in opened:
        page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_whole_and_fits(pages, visit, name):
    """In a window and on a telephone, by day and by night."""
    _, folder = pages
    page, complaints = visit(folder / f"{name}.html")
    has_charts = name.split("/")[0] in ("fleet", "money", "models")
    assert bool(page.evaluate(DRAWN)) is has_charts
    for width, scheme in ((900, "light"), (390, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"Math.min({width}, ...({DRAWN})()) > {0.6 * (width - 120)}")
        with suppress(TimeoutError):  # charts follow the window a moment later
            page.wait_for_function(f"({CUT_OFF})().length === 0", timeout=10_000)
        assert page.evaluate(CUT_OFF) == []
        panel = page.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor")
        assert panel == colour_of({"light": LIGHT, "dark": DARK}[scheme].panel)
    assert complaints == []


def test_a_page_older_than_a_day_says_so_itself(pages, visit):
    _, folder = pages
    text = (folder / "index.html").read_text()
    page, _ = visit(folder / "index.html")
    assert not page.is_visible(".stale")
    former = re.sub(r'data-written="\d{4}', 'data-written="2020', text, count=1)
    (folder / "former.html").write_text(former)
    page, _ = visit(folder / "former.html")
    assert page.inner_text(".stale").startswith("This page is more than a day old.")
    assert page.is_visible(".stale")


def test_a_chart_that_cannot_be_drawn_stops_no_other(pages, visit):
    _, folder = pages
    broken = folder / "broken.html"
    script = '<script type="application/json">'
    start, figure, rest = (folder / "fleet.html").read_text().partition('<figure class="chart"')
    broken.write_text(start + figure + rest.replace(script, f"{script}no JSON", 1))
    page, complaints = visit(broken)
    first, *others = page.evaluate(DRAWN)
    assert first == 0
    assert min(others) > 0
    assert page.is_visible("figure.chart > p >> nth=0")
    assert [complaint.startswith("not drawn: ") for complaint in complaints] == [True]


def test_a_command_is_selected_where_it_cannot_be_copied(pages, visit):
    """As over plain HTTP, where browsers have no clipboard."""
    _, folder = pages
    button = '<code>numebot collect</code> <button class="copy" type="button">copy</button>'
    text = (folder / "index.html").read_text().replace("</main>", f"{button}</main>")
    (folder / "plain.html").write_text(text)
    page, complaints = visit(folder / "plain.html")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click("button.copy >> nth=-1")
    page.get_by_text("selected", exact=True).wait_for()
    assert page.evaluate("getSelection().toString()") == "numebot collect"
    assert complaints == []


def test_the_links_lead_from_page_to_page(pages, visit):
    _, folder = pages
    page, _ = visit(folder / "index.html")
    page.click(f"text=Round {NEWEST}")
    assert page.url.endswith(f"rounds/{NEWEST}.html")
    page.click(".moments a >> nth=0")
    assert "/models/model_" in page.url
    page.click("nav >> text=Fleet")
    page.wait_for_selector("html[data-drawn=all]", state="attached")
    page.select_option("select[data-pages]", label="CORR60")
    page.wait_for_url("**/fleet/corr60.html")
    page.click("nav >> text=Today")
    assert page.url.endswith("index.html")


def test_a_cell_of_the_grid_is_reached_by_keyboard_and_opens_its_round(pages, visit):
    count, folder = pages
    page, _ = visit(folder / "index.html")
    assert len(page.query_selector_all(".grid tbody tr")) == count
    page.focus(".grid td a >> nth=-1")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith(f"round {NEWEST}: ")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/rounds/{NEWEST}.html")


ROWS = "[...document.querySelectorAll('.estimates tbody tr:not([hidden])')]"


def test_chosen_models_alone_are_shown_and_stand_in_the_address(pages, visit):
    count, folder = pages
    page, complaints = visit(folder / "fleet.html", query="?models=model-03&models=model-05")
    boxes = page.query_selector_all("input[name=models]")
    if count == 1:
        assert boxes == []
        return
    if count < 8:
        return
    assert [box.get_attribute("value") for box in boxes if box.is_checked()] == [
        "model-03",
        "model-05",
    ]
    names = "[...document.querySelectorAll('figure svg text')].map((text) => text.textContent)"
    shown = f"{ROWS}.map((row) => row.dataset.model).sort().join()"
    assert page.evaluate(shown) == "model-03,model-05"
    # A row of each heat map, and an end of a line in each chart of lines.
    assert page.evaluate(names).count("model-03") == 8
    page.uncheck("input[value=model-03]")
    page.check("input[value=model-07]")
    assert page.url.endswith("?models=model-05&models=model-07")
    page.wait_for_function(f"{names}.filter((name) => name === 'model-07').length === 8")
    assert page.evaluate(shown) == "model-05,model-07"
    page.click("text=show all")
    assert page.url.endswith("fleet.html")
    assert page.evaluate(f"{ROWS}.length") == count
    assert complaints == []


def test_models_with_a_tag_are_shown_until_others_are_chosen(pages, visit):
    count, folder = pages
    page, complaints = visit(folder / "fleet.html", query="?tag=family%3Dtree")
    assert page.evaluate(f"{ROWS}.length") == (count + 1) // 2
    page.select_option("select[name=tag]", label="any")
    assert page.evaluate(f"{ROWS}.length") == count
    if count > 1:
        page.click("summary")
        page.check("input[value=model-01]")
        page.select_option("select[name=tag]", label="family=tree")
        assert page.url.endswith("?tag=family%3Dtree")
        page.check("input[value=model-01]")
        assert page.url.endswith("?models=model-01")
        assert page.evaluate(f"{ROWS}.length") == 1
    assert complaints == []


def test_what_models_are_compared_with_stands_in_the_address(pages, visit):
    """The figures are those that the page holds; a model beside itself has none."""
    count, folder = pages
    page, complaints = visit(folder / "fleet.html")
    data = page.evaluate("JSON.parse(document.getElementById('estimates').textContent)")
    window = data["windows"][0]
    others = [name for name in window["estimates"] if name]
    if count > 1:
        page.select_option("select[name=against]", label=others[0])
        assert page.url.endswith(f"?against={others[0]}")
    chosen = others[0] if count > 1 else ""
    means = page.evaluate(f"{ROWS}.map((row) => row.querySelector('.mean').textContent)")
    assert means == [score(row[0]) for row in window["estimates"][chosen]]
    drawn = page.evaluate(f"{ROWS}.filter((row) => row.querySelector('circle')).length")
    assert drawn == sum(row[1] is not None for row in window["estimates"][chosen])
    assert f"better than {chosen or 'zero'}" in page.inner_text(".said")
    again, _ = visit(folder / "fleet/mmc60.html", query=f"?against={chosen}&rounds=none")
    assert again.evaluate(f"{ROWS}.map((row) => row.querySelector('.mean').textContent)") == means
    assert complaints == []
