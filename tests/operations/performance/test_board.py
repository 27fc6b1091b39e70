"""The pages of the board as they are written from a lake in which a round was played."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from numebot_dagster.lake import parquet, tables
from numebot_dagster.operations.performance import board
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


def test_a_page_of_a_round_that_has_resolved_is_not_written_again(world, run_round):
    number = world.open_round()
    assert run_round(world, number).success
    page = board.write(world.platform).parent / "rounds" / f"{number}.html"
    world.practice.advance(days=95)
    board.write(world.platform)
    assert "resolved" in text_of(page)
    written = page.stat().st_mtime_ns
    board.write(world.platform)
    assert page.stat().st_mtime_ns == written


def test_the_command_writes_the_pages_and_names_the_first(world):
    finished = world.numebot("board")
    assert finished.returncode == 0
    assert str(world.platform.lake.board_file("index.html")) in finished.stdout


def test_what_is_stored_is_shown_while_numerai_is_away(world):
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
