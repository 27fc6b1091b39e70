"""Make the pictures of the README from a real demo: `make screenshots`.

Plays two seasons of `numebot demo` in a temporary folder, opens the Dagster UI on the result and
photographs it with a headless Chromium. Takes some minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import requests
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
PORT = 3939
URL = f"http://127.0.0.1:{PORT}"
NUMEBOT = [sys.executable, "-m", "numebot_dagster.cli.main"]
WEB_SERVER = [sys.executable, str(DOCS.parent / "tests" / "ui" / "guarded_server.py")]
SIZE = {"width": 1440, "height": 900}
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu"]
SEASONS, ROUNDS = 2, 6
GROUPS = ["training", "rounds", "models", "models/example_model", "models/lightgbm_model"]


def main() -> None:
    """Plays, and photographs what there is to see."""
    with tempfile.TemporaryDirectory(prefix="numebot-") as folder:
        for _ in range(SEASONS):
            demo = [*NUMEBOT, "demo", "--rounds", str(ROUNDS), "--folder", folder]
            subprocess.run(demo, check=True)
        with web_server(Path(folder)), open_page() as page:
            photograph_lineage(page)
            photograph_chart(page)
            photograph_board(page)


@contextmanager
def web_server(folder: Path) -> Iterator[None]:
    """Serve a demo's folder as `numebot up` does, without the daemon: nothing moves meanwhile."""
    # The rest comes from the demo's .env.
    environment = {
        "DAGSTER_HOME": str(folder / "data" / "dagster"),
        "PATH": str(Path(sys.executable).parent),
    }
    server = subprocess.Popen([*WEB_SERVER, str(PORT)], cwd=folder, env=environment)
    try:
        wait_for_answer(seconds=90)
        yield
    finally:
        server.terminate()
        server.wait()


def wait_for_answer(seconds: float) -> None:
    """Wait until the web server answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            requests.get(f"{URL}/server_info", timeout=5).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def open_page() -> Iterator[Page]:
    """Open an empty page of a headless Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_OPTIONS)
        yield browser.new_page(viewport=SIZE)
        browser.close()


def photograph_lineage(page: Page) -> None:
    """Photograph the assets of all groups, from the training data to the submissions."""
    selection = quote('not key:"*performance*"', safe="*")
    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS))
    page.goto(f"{URL}/asset-groups~{selection}/?expanded={expanded}")
    page.get_by_text("submission").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)  # the graph moves to its place
    page.screenshot(path=DOCS / "dagster-ui.png")


def photograph_chart(page: Page) -> None:
    """Photograph the dashboard, whose description has its charts."""
    page.set_viewport_size({"width": 1440, "height": 1100})
    page.goto(f"{URL}/assets/performance/overview")
    page.locator("img[src='/numebot/figures/corr_by_scoring_day']").wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=DOCS / "dagster-scores.png")


def photograph_board(page: Page) -> None:
    """Photograph the board: today, what can be said of the models, and the account book."""
    page.set_viewport_size({"width": 880, "height": 860})
    pictures = {"index": "board-today", "fleet": "board-fleet", "money": "board-money"}
    for name, picture in pictures.items():
        page.goto(f"{URL}/numebot/{name}.html")
        page.wait_for_selector("html[data-drawn=all]", state="attached")
        page.screenshot(path=DOCS / f"{picture}.png")


if __name__ == "__main__":
    main()
