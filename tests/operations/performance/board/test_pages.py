"""The pages of the board as they are written from a lake in which a round was played."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl

from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.operations.performance.board import fleet_facts, model_facts, money_facts
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.performance.money.ledger import account_book
from numebot_dagster.submissions import receipts
from numebot_dagster.submissions.receipts import Outcome, Receipt, Rung, State

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
    figures = "mean q days resolved running percentile NMR against zero"
    assert figures in seen
    assert "too early (fewer than 30 dates)" in seen
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
    details = pl.DataFrame(
        [{**row, "score_configs": configs}], schema=tables.ROUNDS.schema, orient="row"
    )
    parquet.write(lake.round_details(1280), details)
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
    scored = [(name, number, "mmc60", "1", 60, 0.01, True) for name in ("second", "steady-1")]
    write_scores(world.platform.lake, *scored)
    board.write(world.platform)
    assert "+0.0100" in page.read_text()
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
        (model_facts, lambda platform: list(model_facts.pages(platform))),
        (money_facts, lambda platform: money_facts.money(platform, account_book(platform))),
    ):
        read.clear()
        gather(world.platform)
        assert read
        assert read <= {*facts.VIEWS}, f"{facts.__name__}.VIEWS lacks a view"


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
    write_scores(lake, *((*row[:4], 9, *row[5:]) for row in rows))
    assert written() == {*names} - {"money"}
    fresh_world.practice.advance(days=1)
    assert written() == {*names}
