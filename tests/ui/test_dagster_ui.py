"""The Dagster UI in headless Chromium, on a round that was scored: what a person sees in it.

And what another web page can do through it: nothing.
"""

from __future__ import annotations

import re

import pytest
import requests

from tests.ui.hostile_page import ADD, ATTACKS, FORGED, MATERIALIZATIONS, OWN, VINTAGES
from tests.ui.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ui(_module_world, browser):
    """Serve a world that was diagnosed, played and scored behind the guard; return its visitor."""
    world = _module_world
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,owner,tags\n"
        "steady-1,quick_models:Ridge,jane@example.com,family=linear\n"
        "second,quick_models:Stubborn,,\n"
    )
    number = world.open_round()
    assert world.numebot("run").returncode == 0
    world.practice.advance(days=9)
    assert world.numebot("collect").returncode == 0
    assert world.numebot("models", "diagnose", "steady-1").returncode == 0
    with serving(world) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield page, url, number


def test_no_dialog_greets_the_first_visitor_and_the_groups_are_there(ui):
    page, url, _ = ui
    page.goto(f"{url}/asset-groups")
    for group in ("rounds", "training", "models", "performance"):
        page.get_by_text(group, exact=True).first.wait_for(timeout=30_000)
    assert page.get_by_role("dialog").count() == 0


def test_a_submission_shows_its_round_its_receipt_and_its_check(ui):
    page, url, number = ui
    page.goto(f"{url}/assets/models/steady_1/submission")
    page.get_by_text("Latest materialization").wait_for(timeout=30_000)
    page.get_by_text(str(number), exact=True).first.wait_for(timeout=30_000)
    page.get_by_text("confirmed", exact=True).first.wait_for(timeout=30_000)
    page.goto(f"{url}/assets/models/steady_1/submission?view=checks")
    page.get_by_text("confirmed_by_numerai").first.wait_for(timeout=30_000)
    page.get_by_text("Passed").first.wait_for(timeout=30_000)


def test_the_scores_of_a_model_are_curves_over_rounds(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/models/steady_1/scores")
    page.get_by_text("Plots", exact=True).click(timeout=30_000)
    for curve in ("corr60", "mmc60", "corr60_percentile"):
        page.get_by_text(curve, exact=True).first.wait_for(timeout=30_000)
    drawn = page.locator("canvas")
    drawn.first.wait_for(timeout=30_000)
    assert drawn.first.evaluate("canvas => canvas.width") > 100


def test_the_history_of_a_model_has_its_picture(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/models/steady_1/performance")
    page.get_by_text("corr_by_round").first.wait_for(timeout=30_000)
    picture = page.locator("img[src^='data:image/svg+xml']").first
    picture.wait_for(timeout=30_000)
    assert picture.evaluate("image => image.naturalWidth") > 0


MARGIN = 10  # pixels without ink at the right edge of a figure
CHARTS = ("corr_by_scoring_day", "final_corr_by_round", "mean_final_corr")


def assert_drawn(picture):
    """Find a picture rendered, and in sight but for its margin.

    Dagster's table becomes some pixels wider than its place by the longest value in it.
    """
    picture.wait_for(timeout=30_000)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    room = """image => {
      const shown = image.getBoundingClientRect();
      const section = image.closest("table")?.parentElement ?? image.closest("p");
      return [shown.width, section.getBoundingClientRect().right - shown.right];
    }"""
    width, rest = picture.evaluate(room)
    assert width > 380
    assert rest > -MARGIN


def test_the_dashboard_shows_its_charts_in_their_place(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/performance/overview")
    for chart in CHARTS:
        row = page.get_by_role("row").filter(has_text=f"board/figures/{chart}.svg")
        assert_drawn(row.locator(f"img[src^='/numebot/figures/{chart}.svg?v=']").first)
        assert_drawn(page.locator(f"img[src='/numebot/figures/{chart}']").first)  # the description
    whole = """image => image.getBoundingClientRect().bottom
      <= image.closest("[class*=Description_container]").getBoundingClientRect().bottom"""
    assert page.locator(f"img[src='/numebot/figures/{CHARTS[-1]}']").first.evaluate(whole)
    assert not page.get_by_text("Show more").first.is_visible()


def test_the_board_is_a_click_away_and_back(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/performance/overview")
    page.get_by_role("link", name="Open the board").first.click(timeout=30_000)
    page.wait_for_url(f"{url}/numebot/")
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.get_by_role("link", name="Fleet").click()
    page.locator("html[data-drawn=all]").wait_for(timeout=30_000)  # by its own scripts alone
    assert page.locator("figure svg").count() > 0
    assert [text for text in refused if "Content Security Policy" in text] == []
    page.get_by_role("link", name="Dagster").click()
    page.get_by_role("link", name="Catalog").first.wait_for(timeout=30_000)


def test_diagnostics_show_their_tables_and_charts_in_sight(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/models/steady_1/diagnostics")
    row = page.get_by_role("row").filter(has_text="held_out").filter(has=page.locator("table"))
    row.first.wait_for(timeout=30_000)
    table = row.first.locator("table").first
    assert "CORR" in table.locator("thead").inner_text()
    drawdown = table.locator("tbody tr").filter(has_text="max drawdown").locator("td")
    assert 0 <= float(drawdown.nth(1).inner_text()) < 5
    fits = (  # no column lies beyond the right edge of what is in sight
        "row => row.querySelector('table').getBoundingClientRect().right"
        " <= row.closest('table').parentElement.getBoundingClientRect().right"
    )
    assert row.first.evaluate(fits)
    page.get_by_text("themselves: trained on eras").first.wait_for(timeout=30_000)
    curve = page.locator("img[src^='data:image/svg+xml']").first
    curve.wait_for(timeout=30_000)
    assert curve.evaluate("image => image.naturalWidth") == 320
    for chart in ("score_chart", "exposure_chart"):
        shown = page.get_by_role("row").filter(has_text=chart)
        assert_drawn(shown.locator(f"img[src^='/numebot/figures/steady_1_{chart}_']").first)


def test_an_asset_says_whose_it_is_and_opens_its_source(ui):
    page, url, _ = ui
    page.goto(f"{url}/assets/models/steady_1/predictions")
    page.get_by_text("jane@example.com").first.wait_for(timeout=30_000)
    page.get_by_text("family: linear").first.wait_for(timeout=30_000)
    source = page.get_by_role("link", name="quick_models.py").first
    assert source.get_attribute("href").endswith("/participant/quick_models.py:1")
    page.get_by_role("link", name="play_round.py").first.wait_for(timeout=30_000)


def test_the_dashboard_is_fresh_and_its_check_says_what_is_confirmed(ui):
    page, url, number = ui
    page.goto(f"{url}/assets/performance/overview")
    page.get_by_text("Deadline: At 11:30 PM UTC").wait_for(timeout=30_000)
    page.goto(f"{url}/assets/performance/overview?view=checks")
    page.get_by_text(f"round {number}: 2 models confirmed").first.wait_for(timeout=30_000)
    page.goto(f"{url}/assets/performance/scores?view=checks")
    page.get_by_text("are stored of 2 submissions in scoring").first.wait_for(timeout=30_000)


def test_a_launch_form_says_what_its_fields_do(ui):
    page, url, _ = ui
    page.goto(f"{url}/locations/numebot_dagster.definitions/jobs/round_job/playground")
    page.locator(".cm-atom, .CodeMirror-line").get_by_text("dry_run").first.click(timeout=60_000)
    page.get_by_text("Predict and check with every model").first.wait_for(timeout=30_000)


def test_no_page_has_more_digits_than_anybody_reads(ui):
    page, url, _ = ui
    of_model = ("diagnostics", "predictions", "submission", "scores", "performance")
    pages = {f"models/steady_1/{kind}" for kind in of_model}
    pages |= {f"performance/{kind}" for kind in ("scores", "leaderboard", "payouts", "overview")}
    for name in (*pages, "rounds/details", "rounds/live_data"):
        page.goto(f"{url}/assets/{name}")
        page.get_by_role("row").filter(has_text="Timestamp").first.wait_for(timeout=30_000)
        assert re.findall(r"\d\.\d{7,}", page.locator("body").inner_text()) == [], name


def ask(url, query):
    return requests.post(f"{url}/graphql", json={"query": query}, timeout=30).json()["data"]


def test_another_page_changes_nothing_and_the_ui_itself_does(ui, hostile_url):
    page, url, _ = ui
    played = ask(url, MATERIALIZATIONS)
    vintages = ask(url, VINTAGES)["assetNodeOrError"]["partitionKeys"]
    page.goto(hostile_url)
    assert page.evaluate(ATTACKS, [url, ADD, FORGED]) == "refused"
    assert ask(url, VINTAGES)["assetNodeOrError"]["partitionKeys"] == vintages
    assert ask(url, MATERIALIZATIONS) == played
    # The same from the UI's own page works, so that it was the guard that refused.
    page.goto(f"{url}/asset-groups")
    assert page.evaluate(OWN, [url, ADD]) == 200
    assert ask(url, VINTAGES)["assetNodeOrError"]["partitionKeys"] == [*vintages, "own"]


def test_the_ui_answers_by_its_own_names_and_reads_only_by_get(ui):
    _, url, _ = ui
    foreign = requests.get(url, headers={"Host": "attacker.example"}, timeout=30)
    assert foreign.status_code == 403
    assert "NUMEBOT_UI_HOSTS" in foreign.text
    own = requests.get(url.replace("127.0.0.1", "localhost"), timeout=30)
    assert own.status_code == 200
    assert own.headers["X-Frame-Options"] == "SAMEORIGIN"
    read = requests.get(f"{url}/graphql", params={"query": "{ version }"}, timeout=30)
    assert read.json()["data"]["version"]
    changed = requests.get(
        f"{url}/graphql", params={"query": "{ version } " + ADD, "operationName": "x"}, timeout=30
    )
    assert changed.status_code == 405
