"""The log-in in headless Chromium, and what another web page can do past it: nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from pydantic import SecretStr

from tests.support.site import LIMITS, MUTATION, serving
from tests.ui.hostile_page import ATTACKS, FORGED, OWN

pytestmark = pytest.mark.browser

PASSWORD = "four random words"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"/>'
SHOWN = """source => new Promise(done => {
  const image = document.createElement("img");
  image.onload = () => done(image.naturalWidth);
  image.onerror = () => done(0);
  image.src = source;
})"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "board" / "figures").mkdir(parents=True)
    (folder / "board" / "figures" / "corr.svg").write_text(SVG)
    with serving(folder, password=SecretStr(PASSWORD)) as url:
        yield url


@pytest.fixture
def page(browser):
    """Return a page of a visitor without cookies."""
    with browser.new_context(viewport={"width": 390, "height": 844}) as visitor:
        yield visitor.new_page()


def log_in(page, url, path="/assets"):
    page.goto(url + path)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(url + path)


def changes(url):
    """Return what an attack would have changed, asked for as a script does."""
    headers = {"Authorization": f"Bearer {PASSWORD}"}
    query = "{ assetsOrError { ... on AssetConnection { nodes { id } } } " + LIMITS[2:]
    answer = requests.post(f"{url}/graphql", json={"query": query}, headers=headers, timeout=30)
    data = answer.json()["data"]
    return data["assetsOrError"]["nodes"], data["instance"]["concurrencyLimits"]


def other_name(url):
    """Return an address under another name of this machine, which is another site to browsers."""
    return url.replace("127.0.0.1", "localhost")


def test_a_visitor_logs_in_and_out_by_the_keyboard(page, url):
    page.goto(f"{url}/assets?x=1")
    assert page.title() == "Log in · Numebot"
    field = page.locator("input[name=password]:focus")
    field.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("This is not the password").wait_for()
    field.wait_for()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/assets?x=1")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate(SHOWN, "/numebot/figures/corr.svg") == 40

    page.goto(f"{url}/numebot/log-out")
    page.locator("button:focus").wait_for()
    page.keyboard.press("Enter")
    page.get_by_label("Password").wait_for()
    assert page.context.cookies() == []
    page.goto(f"{url}/numebot/")
    assert page.title() == "Log in · Numebot"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_in_reads_well_in_light_and_dark(page, url, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(url)
    brightness = "element => Number(getComputedStyle(element).COLOUR.match(/\\d+/)[0])"
    ground = page.locator("main").evaluate(brightness.replace("COLOUR", "backgroundColor"))
    ink = page.locator("h1").evaluate(brightness.replace("COLOUR", "color"))
    assert (ground > 200, ink < 60) == ((True, True) if scheme == "light" else (False, False))
    assert abs(ground - ink) > 150


@pytest.mark.parametrize("of_another_site", [False, True])
def test_another_page_does_nothing_with_the_session_of_a_visitor(
    page, url, hostile_url, of_another_site
):
    log_in(page, url)
    before = changes(url)
    page.goto(other_name(hostile_url) if of_another_site else hostile_url)
    assert page.evaluate(ATTACKS, [url, MUTATION, FORGED]) == "refused"
    assert page.evaluate(SHOWN, f"{url}/numebot/figures/corr.svg") == 0
    assert changes(url) == before == ([], [])


def test_the_page_itself_does_with_its_session(page, url):
    log_in(page, url)
    assert page.evaluate(OWN, [url, MUTATION]) == 200
    assert changes(url)[1] == [{"concurrencyKey": "own"}]
    headers = {"Authorization": f"Bearer {PASSWORD}"}
    undo = {"query": 'mutation { deleteConcurrencyLimit(concurrencyKey: "own") }'}
    requests.post(f"{url}/graphql", json=undo, headers=headers, timeout=30)


def test_another_page_does_nothing_without_a_session(page, url, hostile_url):
    page.goto(hostile_url)
    assert page.evaluate(ATTACKS, [url, MUTATION, FORGED]) == "refused"
    forge = """url => {
      document.body.innerHTML = `<form method="post" action="${url}/numebot/log-in">
        <input name="password" value="four random words"></form>`;
      document.forms[0].submit();
    }"""
    page.evaluate(forge, url)  # which would log a visitor in to an attacker's UI
    page.get_by_text("Refused: the request comes from another web page").wait_for()
    assert page.context.cookies() == []
    assert changes(url) == ([], [])


def test_a_link_on_another_site_keeps_the_session(page, url, hostile_url):
    log_in(page, url)
    page.goto(other_name(hostile_url))
    page.evaluate("url => { document.body.innerHTML = `<a href='${url}'>UI</a>`; }", f"{url}/runs")
    page.get_by_role("link", name="UI").click()
    page.wait_for_url(lambda address: urlsplit(address).path == "/runs")


def test_nothing_is_changed_through_a_ui_for_reading_only(page, tmp_path, hostile_url):
    with serving(tmp_path, password=SecretStr(PASSWORD), read_only=True) as url:
        log_in(page, url)
        assert page.evaluate(OWN, [url, MUTATION]) == 403  # from its own page
        forged = "path => fetch(path, {method: 'POST'}).then(answer => answer.status)"
        assert page.evaluate(forged, f"/{FORGED}?partition=FORGED") == 403
        page.goto(hostile_url)
        assert page.evaluate(ATTACKS, [url, MUTATION, FORGED]) == "refused"
        assert changes(url) == ([], [])
