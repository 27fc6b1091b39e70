"""The pages of the board as they are written from a lake in which a round was played."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.operations.health import status
from numebot_dagster.operations.health.status import Moment
from numebot_dagster.operations.performance.board import (
    fleet_facts,
    model_facts,
    money_facts,
    round_facts,
    today_facts,
)
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.performance.board.money_facts import Accounts
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.reporting.numbers import brief_nmr, score
from numebot_dagster.reporting.pages import today as today_page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.reporting.pages.today import Cell
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State
from tests.support.world import STAKES, World

DAY = date(2026, 6, 4)


def text_of(path):
    """Return what a reader sees of a page, in one line."""
    html = re.sub(r"(?s)<(script|style).*?</\1>", " ", path.read_text())
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_nothing_was_played_yet(fresh_world):
    home = board.write(fresh_world.platform)
    assert home == fresh_world.platform.lake.board_file("index.html")
    assert "No round yet" in text_of(home)


def test_a_round_is_confirmed_and_the_next_one_fails(fresh_world, run_round):
    world = fresh_world
    number = world.open_round()
    assert run_round(world, number).success
    home = board.write(world.platform)
    seen = text_of(home)
    assert f"Round {number}" in seen
    assert "2 of 2 confirmed" in seen
    assert "Nothing needs you." in seen
    details = home.parent / "rounds" / f"{number}.html"
    assert text_of(details).count("✓ on time") == 2
    assert "predicted in" in text_of(details)
    rows = re.findall(r"(?s)<tr><th scope=\"row\".*?</tr>", home.read_text())
    names = [re.search(r"title=\"([^\"]+)\"", row).group(1) for row in rows]
    assert names == ["steady-1", "second"]  # as registered, before a leaderboard says the stakes

    following = world.open_round()
    lake = world.platform.lake
    failed = Receipt("second", following, outcome=Outcome.FAILED, reason="second ran out of memory")
    receipts.append(lake, failed)
    lower = Receipt(
        "steady-1",
        following,
        outcome=Outcome.ON_TIME,
        state=State.CONFIRMED,
        rung=Rung.PREVIOUS,
        rung_reason="steady-1 raised",
    )
    receipts.append(lake, lower)
    home = board.write(world.platform)
    seen = text_of(home)
    assert "1 of 2 confirmed · 1 failed" in seen
    assert f"second failed in round {following}: second ran out of memory" in seen
    assert f"numebot run --round {following} --models second" in seen
    assert f"steady-1 on a lower rung in round {following}: steady-1 raised" in seen
    assert home.read_text().count('<td class="bad">') == 1
    assert home.read_text().count('<td class="warn">') == 1


def test_the_command_writes_the_pages_and_names_the_first(world):
    finished = world.numebot("board")
    assert finished.returncode == 0
    assert str(world.platform.lake.board_file("index.html")) in finished.stdout


def test_what_is_stored_is_shown_while_numerai_is_away(world, run_round):
    assert run_round(world, world.open_round()).success
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        away = replace(
            world.platform,
            settings=world.platform.settings.model_copy(
                update={"numerai_api_url": url, "numebot_retry_deadline": 0.2}
            ),
        )
        home = board.write(away)
    assert "confirmed" in text_of(home)


def test_each_score_has_a_page_and_the_library_is_there_once(fresh_world):
    lake = fresh_world.platform.lake
    rows = [
        (model, 1280 + number, metric, "1", day, DAY + timedelta(days=day), value, 0.5, day == 60)
        for model, value in (("steady-1", 0.02), ("second", -0.01))
        for number in (0, 1)
        for metric in ("mmc60", "corr60", "canon_mmc")
        for day in ((59, 60) if number == 0 else (59,))
    ]
    for day in {row[5] for row in rows}:
        frame = pl.DataFrame(
            [row for row in rows if row[5] == day], schema=tables.SCORES.schema, orient="row"
        )
        parquet.write(lake.day_file("scores", day), frame)
    board.write(fresh_world.platform)
    names = {path.name for path in lake.board_file("fleet").iterdir()}
    assert names == {"mmc60.html", "corr60.html"}  # `canon_mmc` repeats another one
    seen = text_of(lake.board_file("fleet/mmc60.html"))
    assert "What can be said of each model by MMC60" in seen
    figures = "mean q days NMR rounds percentile beside zero"
    assert figures in seen
    assert seen.count("1 + 1") == 2  # rounds, resolved and running
    assert "2 too early" in seen
    assert seen.count("too early") == 3
    assert "In no group, because" in seen
    model = text_of(lake.board_file("models/steady_1.html"))
    assert model.startswith("steady-1")
    assert "A round of this model, MMC60 by scoring day" in model
    library = lake.board_file("vega.js")
    written = library.stat().st_mtime_ns
    assert b"vegaEmbed" in library.read_bytes()
    board.write(fresh_world.platform)
    assert library.stat().st_mtime_ns == written
    lake.board_file("vega.txt").write_text("an older one")
    board.write(fresh_world.platform)
    assert library.stat().st_mtime_ns > written


def write_scores(lake, *rows):
    """Store rows of model, round, metric, version, day, value and resolved, by their day."""
    full = [
        (model, number, metric, version, day, DAY + timedelta(days=day), value, None, resolved)
        for model, number, metric, version, day, value, resolved in rows
    ]
    frame = pl.DataFrame(full, schema=tables.SCORES.schema, orient="row")
    for (day,), scores in frame.group_by("date"):
        parquet.write(lake.day_file("scores", day), scores)


def test_odd_rows_cost_no_page(fresh_world):
    """Whatever Numerai names and however old it is, every page is written, and none elsewhere."""
    lake = fresh_world.platform.lake
    configs = '[null, {"is_payout": true}, {"name": "mmc60", "is_payout": "maybe"}, 7]'
    row = {"round": 1280, "close_staking_time": datetime(2026, 6, 2, 13, tzinfo=UTC)}
    for number, odd in ((1280, configs), (1281, "null"), (1282, "[{"), (1283, "7")):
        details = pl.DataFrame(
            [{**row, "round": number, "score_configs": odd}],
            schema=tables.ROUNDS.schema,
            orient="row",
        )
        parquet.write(lake.round_details(number), details)
    write_scores(
        lake,
        ("retired", 600, "tc", "1", 20, 0.01, True),  # before the rounds that are judged
        ("second", 1280, "mmc60", "1", 61, 0.01, False),  # beyond a whole round
        ("second", 1280, "mmc60", "1", 0, 0.01, False),
        ("second", 1281, "mmc60", "1", 5, float("inf"), False),
        ("no <longer> registered", 1280, "../../evil", "1", 3, 0.01, False),
        ("second", 1280, None, "1", 4, 0.01, False),
    )
    board.write(fresh_world.platform)
    names = {path.name for path in lake.board_file("fleet").iterdir()}
    assert names == {"mmc60.html", "tc.html", "______evil.html"}
    evil = lake.board_file("fleet/______evil.html").read_text()
    assert "no &lt;longer&gt; registered" in evil
    assert 'href=""' not in evil
    assert "Infinity" not in lake.board_file("fleet/mmc60.html").read_text()


def test_the_newest_version_of_a_score_counts_on_every_page(fresh_world, run_round):
    world = fresh_world
    number = world.open_round()
    assert run_round(world, number).success
    lake = world.platform.lake
    write_scores(
        lake,
        ("second", number, "mmc60", "9", 8, 0.4444, False),
        ("second", number, "mmc60", "10", 3, 0.1111, False),
    )
    home = board.write(world.platform).parent
    for name in (f"rounds/{number}", "models/second"):
        assert "+0.1111" in (home / f"{name}.html").read_text()
        assert "+0.4444" not in (home / f"{name}.html").read_text()


def test_a_page_of_a_resolved_round_waits_for_scores(fresh_world, run_round):
    """After weeks without a run they are collected late."""
    world = fresh_world
    number = world.open_round()
    assert run_round(world, number).success
    world.practice.advance(days=95)
    page = board.write(world.platform).parent / "rounds" / f"{number}.html"
    assert "resolved" in text_of(page)
    assert "are due on" not in text_of(page)
    names = ("second", "steady-1")
    for day, value, shown in ((30, 0.02, "+0.0200"), (60, 0.01, "+0.0100")):
        scored = [(name, number, "mmc60", "1", day, value, day == 60) for name in names]
        write_scores(world.platform.lake, *scored)
        board.write(world.platform)
        assert shown in page.read_text()
    written = page.stat().st_mtime_ns
    board.write(world.platform)
    assert page.stat().st_mtime_ns == written


def test_a_part_changes_with_every_view_that_it_shows(fresh_world, run_round, monkeypatch):
    """Facts that read another view have to name it in `VIEWS`, or their pages would stay old."""
    world = fresh_world
    number = world.open_round()
    assert run_round(world, number).success
    write_scores(world.platform.lake, ("second", number, "mmc60", "1", 8, 0.01, False))
    read, query = set(), catalog.query

    def note(lake, sql, parameters=()):
        read.update(name for name in catalog.VIEWS if re.search(rf"\b(from|join) {name}\b", sql))
        return query(lake, sql, parameters)

    monkeypatch.setattr(catalog, "query", note)
    for facts, gather in (
        (fleet_facts, lambda platform: [page.facts() for page in fleet_facts.pages(platform)]),
        (model_facts, lambda platform: [*model_facts.pages(platform, status.moment(platform))]),
        (money_facts, lambda platform: money_facts.money(platform, Accounts.of(platform))),
    ):
        read.clear()
        gather(world.platform)
        assert read
        # A prediction counts once it is submitted, so that the views of submissions stand for it.
        named = {*facts.VIEWS, *({"predictions"} if facts is fleet_facts else ())}
        assert read <= named, f"{facts.__name__}.VIEWS lacks a view"


def test_only_what_changed_is_written_again(fresh_world):
    lake = fresh_world.platform.lake
    paid = '[{"name": "mmc60", "is_payout": true, "default_multiplier": 15.0}]'
    row = {"round": 1280, "score_configs": paid}
    details = pl.DataFrame([row], schema=tables.ROUNDS.schema, orient="row")
    parquet.write(lake.round_details(1280), details)
    rows = [("second", 1280, metric, "1", 8, 0.01, False) for metric in ("mmc60", "corr20")]
    write_scores(lake, *rows)
    names = ("index", "fleet", "fleet/mmc60", "fleet/corr20", "models/second", "money")

    def written():
        """Return the names of the pages that are written now."""
        before = {name: lake.board_file(f"{name}.html") for name in names}
        stamps = {name: path.stat().st_mtime_ns for name, path in before.items() if path.is_file()}
        board.write(fresh_world.platform)
        now = {name: path.stat().st_mtime_ns for name, path in before.items()}
        return {name for name in names if now[name] != stamps.get(name)}

    assert written() == {*names}
    assert written() == {"index"}
    stakes = pl.DataFrame({"model": ["second"], "nmr_staked": [7.5], "own": [True]})
    parquet.write(lake.day_file("leaderboard", DAY), stakes)
    assert written() == {"index", "fleet", "fleet/mmc60", "models/second"}
    receipts.append(lake, Receipt("second", 1280, outcome=Outcome.FAILED, reason="it raised"))
    assert written() == {"index", "fleet", "fleet/mmc60", "models/second"}
    write_scores(lake, *((*row[:4], 9, *row[5:]) for row in rows))
    assert written() == {*names}
    fresh_world.practice.advance(days=1)
    assert written() == {*names}


@dataclass(frozen=True)
class Played:
    """A round that was played and scored for some days, and the pages that show it."""

    world: World
    number: int
    home: Path

    def text(self, name: str) -> str:
        """Return a page's HTML."""
        return (self.home / f"{name}.html").read_text()

    def state(self, columns: str, model: str, more: str) -> list[sqlite3.Row]:
        """Return rows of a model in the round, as the tournament itself has them."""
        return self.world.rows(
            f"SELECT {columns} JOIN models m ON m.id = model_id WHERE m.name = ?"
            f" AND round = ? {more}",
            model,
            self.number,
        )

    @property
    def newest_day(self) -> int:
        """The newest scoring day that the tournament has published."""
        rows = self.world.rows("SELECT max(day) AS day FROM scored WHERE round = ?", self.number)
        return rows[0]["day"]


@pytest.fixture(scope="module")
def played(make_world):
    world = make_world()
    with pytest.MonkeyPatch.context() as patch:
        world.enter(patch)
        number = world.open_round()
        assert world.numebot("run").returncode == 0
        world.practice.advance(days=13)  # no round is open
        assert world.numebot("collect").returncode == 0
        yield Played(world, number, board.write(world.platform).parent)


def cells_of(section: str) -> list[list[str]]:
    """Return the cells of the rows of a table, as they are read."""
    rows = re.findall(
        r"(?s)<tr>(.*?)</tr>", section.partition("<tbody>")[2].partition("</tbody>")[0]
    )
    return [
        [
            re.sub(r"<[^>]*>", "", cell).strip()
            for cell in re.findall(r"(?s)<td[^>]*>(.*?)</td>", row)
        ]
        for row in rows
    ]


def section_of(html: str, heading: str) -> str:
    [section] = [part for part in html.split("<section") if f"<h2>{heading}" in part]
    return section


NOON = datetime(2026, 8, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (-1, ["opens", "closes", "resolves"]),
        (0, ["opened", "closes", "resolves"]),
        (1, ["opened", "closed", "resolves"]),
        (2, ["opened", "closed", "resolved"]),
    ],
)
def test_what_is_said_of_the_times_of_a_round(hours, words):
    columns = ("open_time", "close_staking_time", "resolve_time")
    row = {column: NOON + timedelta(hours=place) for place, column in enumerate(columns)}
    assert list(round_facts.times_of(row, NOON + timedelta(hours=hours))) == words
    unresolved = {**row, "resolve_time": None}
    assert list(round_facts.times_of(unresolved, NOON + timedelta(hours=hours))) == words[:2]


@pytest.mark.parametrize(
    ("predicted", "submitted", "events"),
    [
        (30, 60, ["predicting", "predicted", "submitted"]),
        (30, None, ["predicting", "predicted"]),
        (90, 60, ["submitted"]),  # by two clocks
        (3, 60, ["submitted"]),  # begun before the round opened
    ],
)
def test_predicting_is_drawn_only_where_its_order_is_possible(predicted, submitted, events):
    receipt = Receipt(
        "second",
        1280,
        predicted_at=NOON + timedelta(seconds=predicted),
        predict_seconds=5.0,
        submitted_at=None if submitted is None else NOON + timedelta(seconds=submitted),
    )
    assert list(round_facts.moments_of(receipt, NOON)) == events


def test_the_round_page_by_the_state_of_the_tournament(played):
    """Times, files, moments, scores and rules, past what the participant has stored."""
    html, rules = played.text(f"rounds/{played.number}"), Round(played.number)
    for moment in (rules.open_time, rules.close_staking_time, rules.resolve_time):
        assert f'<time datetime="{moment.isoformat()}">' in html
    assert f"scoring day {played.newest_day}<" in html
    submissions = {row[0]: row for row in cells_of(section_of(html, "Submissions"))}
    assert list(submissions) == ["second", "steady-1"]  # by stake
    scored = {row[0]: row[1:] for row in cells_of(section_of(html, "Scores so far"))}
    heading = section_of(html, "Scores so far").partition("<thead>")[2].partition("</thead>")[0]
    metrics = re.findall(r">([A-Z0-9_]+)</th>", heading)
    assert metrics[:2] == ["CORR60", "MMC60"]
    for model in ("second", "steady-1"):
        [sent] = played.state("s.filename, s.inserted_at FROM submissions s", model, "")
        [upload] = played.world.rows("SELECT * FROM uploads WHERE filename = ?", sent["filename"])
        shown = submissions[model]
        assert shown[9] == sent["filename"]
        assert f'title="sha256 {upload["sha256"]}">{sent["filename"]}' in html
        assert shown[1:3] == ["✓ on time", "live"]
        assert shown[6] == "4 of 4 passed"
        assert re.fullmatch(r"[0-9]+\.[0-9] s", shown[4])
        assert int(shown[5].removesuffix(" MB").replace(",", "")) > 50
        [row] = re.findall(rf'(?s)<tr><th scope="row"><a [^>]*>{model}</a>.*?</tr>', html)
        moments = dict(re.findall(r'title="(\w+) after ([0-9.]+) s"', row))
        registered = datetime.fromisoformat(sent["inserted_at"]) - rules.open_time
        sent_moments = [event for event in moments if event != "predicted"]  # by another clock
        assert sent_moments == ["submitted", "accepted", "confirmed"]
        assert float(moments["submitted"]) <= registered.total_seconds() + 0.1
        assert registered.total_seconds() <= float(moments["accepted"]) + 0.1
        assert row.endswith(f"{moments['confirmed']} s</td></tr>")
        values = {
            row["name"].upper(): score(row["value"])
            for row in played.state(
                "s.name, s.value FROM scores s", model, f"AND day = {played.newest_day}"
            )
        }
        assert dict(zip(metrics, scored[model], strict=True)) == {
            name: values[name] for name in metrics
        }
    paid = cells_of(section_of(html, "The rules that it carries"))
    assert [[row[0], *row[2:5]] for row in paid] == [
        ["CORR60", "60", "3", "1"],
        ["MMC60", "60", "15", "1"],
    ]
    assert f"/runs?q[]=tag%3Adagster%2Fpartition%3D{played.number}" in html
    assert f"/assets/models/second/submission?partition={played.number}" in html


def test_the_page_today_by_the_state_of_the_tournament(played):
    html, rules = played.text("index"), Round(played.number)
    assert f'data-until="{rules.close_staking_time.isoformat()}"' in html
    assert "2 of 2 confirmed" in html
    grid = html.partition('class="grid"')[2].partition("</table>")[0]
    assert re.findall(r'<th scope="row" title="([^"]+)"', grid) == ["second", "steady-1"]
    assert re.findall(r'<td class="(\w+)">', grid) == ["good", "good"]
    positions = played.world.rows(
        "SELECT m.name, nmr FROM positions JOIN models m ON m.id = model_id"
    )
    stakes = {row["name"]: float(row["nmr"]) for row in positions if row["name"] in STAKES}
    values = {
        (model, row["name"], row["day"]): row
        for model in stakes
        for row in played.state("s.name, s.day, s.value, s.percentile FROM scores s", model, "")
    }
    newest, multipliers = played.newest_day, {"corr60": 3, "mmc60": 15}
    pending = sum(
        stake
        * sum(times * values[model, name, newest]["value"] for name, times in multipliers.items())
        for model, stake in stakes.items()
    )
    tiles = dict(
        re.findall(r'<div class="tile[^>]*><span class="soft">(.*?)</span><b>(.*?)</b>', html)
    )
    assert tiles["at stake"] == f"{sum(stakes.values()):.1f} NMR"
    assert tiles["pending"] == f"{brief_nmr(pending)} NMR"
    published = rules.publication(newest)
    assert tiles["scores"] == f"{published:%a} {published.day} {published:%b}"
    expected = []
    for model in stakes:
        for name in multipliers:
            now, before = values[model, name, newest], values[model, name, newest - 1]
            change = now["value"] - before["value"]
            percentile = f"{100 * now['percentile']:.0f}"
            cells = [model, str(played.number), str(newest), name.upper(), score(now["value"])]
            expected.append((-abs(change), [*cells, score(change), percentile]))
    expected.sort(key=lambda row: row[0])
    assert cells_of(section_of(html, "Since yesterday")) == [row for _, row in expected]


def test_a_closed_round_says_when_the_next_is_expected(played):
    closes = Round(played.number).close_staking_time.isoformat()
    [band] = re.findall(rf'(?s)data-until="{re.escape(closes)}".*?</small>', played.text("index"))
    assert "; the next one is expected <time" in band


def test_the_status_names_the_newest_scores(played):
    values = {
        model: score(
            played.state(
                "s.value FROM scores s",
                model,
                f"AND s.name = 'mmc60' AND day = {played.newest_day}",
            )[0]["value"]
        )
        for model in STAKES
    }
    text = played.world.numebot("status").stdout
    [row] = [line for line in text.splitlines() if line.lstrip().startswith(f"{played.number} ")]
    cells = f"✓ {values['steady-1']} ✓ {values['second']} day {played.newest_day}"
    assert " ".join(row.split()).endswith(cells)
    cell = json.loads(played.world.numebot("status", "--json").stdout)["rounds"][-1]
    assert cell["score"]["day"] == played.newest_day


def test_states_that_are_easy_to_forget(played):
    """Of one world: a model joins, one is disabled, a day is missing, and Numerai is away."""
    world = played.world
    with pytest.MonkeyPatch.context() as patch:
        world.enter(patch)
        newest = catalog.query(world.platform.lake, "select max(date) from scores").item()
        world.register("steady-1", "untrained")  # and `second` no more
        late = datetime.combine(newest + timedelta(days=9), time(12), UTC)
        at = Moment(late, problem="the connection failed")
        accounts = Accounts.of(world.platform)
        shown = today_facts.today(world.platform, at, accounts)
        paused = Moment(late + timedelta(days=365))
        after = today_facts.today(world.platform, paused, accounts)
    html = today_page.page(shown, Frame("practice tournament", late))
    grid = {row.model: row.cells[played.number] for row in shown.rows}
    assert grid == {
        "steady-1": (Cell.ON_TIME, "confirmed"),
        "untrained": (Cell.NOTHING, "not played"),
    }
    assert (shown.band.confirmed, shown.band.models, shown.band.rest) == (1, 2, "1 not tried yet")
    needs = {need.subject: need for need in shown.needs}
    assert "the connection failed" in needs["Numerai"].text
    assert needs["Scores"].command == "numebot collect"
    assert f"end on {newest:%a} {newest.day} {newest:%b}" in needs["Scores"].text
    assert "train" in needs["untrained"].command
    assert {tile.label: tile.style for tile in shown.tiles}["scores"] == "warn"
    # Once all rounds have resolved, no scores are due.
    assert "Scores" not in {need.subject for need in after.needs}
    assert {tile.label: tile.style for tile in after.tiles}["scores"] == ""
    assert {change.model for change in shown.changes} == {"steady-1", "second"}
    assert "<td>second</td>" in html  # without a page: it is registered no more


def test_a_page_that_cannot_be_written_leaves_the_former_one(played, monkeypatch):
    former = played.text("index")

    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        played.world.enter(patch)
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space left"):
            board.write(played.world.platform)
    assert played.text("index") == former


def test_the_first_round_without_a_score_says_when_it_is_due(fresh_world):
    number = fresh_world.open_round()
    assert fresh_world.numebot("run", "--models", "steady-1").returncode == 0
    home = board.write(fresh_world.platform).parent
    due = Round(number).publication(1)
    words = (
        f"First scores of round {number} are due on {due:%a} {due.day} {due:%b}, about 14:30 UTC."
    )
    assert words in text_of(home / "index.html")
    assert words in text_of(home / "rounds" / f"{number}.html")
