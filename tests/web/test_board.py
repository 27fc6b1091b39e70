"""The folder of the board, as it is served: its files and nothing else."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.site import serving

pytestmark = pytest.mark.server

FILES = {
    "fleet.html": "text/html; charset=utf-8",
    "figures/corr.svg": "image/svg+xml",
    "figures/corr.png": "image/png",
    "ledger.csv": "text/csv; charset=utf-8",
    "scores.json": "application/json",
    "vega.js": "text/javascript; charset=utf-8",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "board" / "figures").mkdir(parents=True)
    for name in (*FILES, "notes.txt", ".hidden.html", "figures/.corr.svg", "figures/mmc.png"):
        (folder / "board" / name).write_text(f"<p>{name}</p>")
    (folder / "secret.json").write_text("secret")
    (folder / "board" / "link.json").symlink_to(folder / "secret.json")
    (folder / "board" / "linked").symlink_to(folder)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    with serving(folder) as url:
        yield f"{url}/numebot"


def status_of(url, path):
    """Ask for a path exactly as it is written; return status and body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.putrequest("GET", path)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(("name", "media_type"), FILES.items())
def test_a_file_is_served_as_what_it_is(url, name, media_type):
    answer = requests.get(f"{url}/{name}?v=1", timeout=30)
    assert (answer.status_code, answer.text) == (200, f"<p>{name}</p>")
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert ("script-src 'self' 'unsafe-inline'" in policy) == name.endswith(".html")
    assert ("sandbox" in policy) != name.endswith(".html")


@pytest.mark.parametrize(
    "path",
    [
        "/numebot/figures",
        "/numebot/figures/",
        "/numebot/notes.txt",
        "/numebot/.hidden.html",
        "/numebot/figures/.corr.svg",
        "/numebot/../secret.json",
        "/numebot/%2e%2e/secret.json",
        "/numebot/figures/../../secret.json",
        "/numebot/..%2fsecret.json",
        "/numebot/%2e%2e%5csecret.json",
        "/numebot//etc/passwd",
        "/numebot/%2fetc%2fpasswd",
        "/numebot/link.json",
        "/numebot/linked/secret.json",
        "/numebot/missing.html",
        "/numebot/a%00.html",
        f"/numebot/{'long' * 200}.html",
    ],
)
def test_nothing_else_is_served(url, path):
    status, body = status_of(url, path)
    assert (status, body) == (404, "Not Found")


def test_a_redrawn_picture_is_seen_at_once(url, folder):
    first = requests.get(f"{url}/figures/corr.png", timeout=30)
    assert first.headers["Cache-Control"] == "no-cache"
    former = {"If-None-Match": first.headers["ETag"]}
    assert requests.get(f"{url}/figures/corr.png", headers=former, timeout=30).status_code == 304
    (folder / "board" / "figures" / "corr.png").write_text("<p>figures/corr.png</p>")  # as long
    assert requests.get(f"{url}/figures/corr.png", headers=former, timeout=30).status_code == 200


def test_a_picture_is_found_by_its_name_whatever_its_kind(url):
    for name, media_type in (("corr", "image/svg+xml"), ("mmc", "image/png")):
        answer = requests.get(f"{url}/figures/{name}", timeout=30)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)


def test_what_is_not_drawn_yet_says_so(url, folder):
    redirected = requests.get(url, timeout=30, allow_redirects=False)
    assert redirected.headers["Location"] == "/numebot/"
    empty = requests.get(url, timeout=30)
    assert empty.status_code == 200
    assert "Nothing drawn yet" in empty.text
    assert "numebot board" in empty.text
    for name in ("none.png", "none"):
        picture = requests.get(f"{url}/figures/{name}", timeout=30)
        assert (picture.status_code, picture.headers["Content-Type"]) == (404, "image/svg+xml")
        assert "Not drawn yet" in picture.text

    (folder / "board" / "index.html").write_text("<p>Today</p>")
    assert requests.get(f"{url}/", timeout=30).text == "<p>Today</p>"


def test_nothing_is_written_through_it(url):
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, f"{url}/fleet.html", timeout=30).status_code == 405
