"""What is written of the board, and what is left as it is."""

from __future__ import annotations

import json

import pytest

from numebot_dagster.lake.layout import Lake
from numebot_dagster.operations.performance.board import written
from numebot_dagster.operations.performance.board.written import Part, digest, written_board


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def write(lake, source, templates="1", pages=("fleet.html", "fleet/mmc60.html")):
    """Write a part of two pages, and return how often its pages were asked for."""
    asked = []

    def texts():
        asked.append(source)
        return [(name, f"made of {source}") for name in pages]

    with written_board(lake, templates) as board:
        board.update(Part("fleet", source, texts))
    return len(asked)


def test_a_part_is_written_when_its_source_changes(lake):
    assert write(lake, "a") == 1
    assert write(lake, "a") == 0
    assert write(lake, "b") == 1
    assert lake.board_file("fleet/mmc60.html").read_text() == "made of b"


def test_new_templates_write_everything(lake):
    assert write(lake, "a") == 1
    assert write(lake, "a", templates="2") == 1


def test_a_page_that_was_deleted_is_written_again(lake):
    write(lake, "a")
    lake.board_file("fleet/mmc60.html").unlink()
    assert write(lake, "a") == 1
    assert lake.board_file("fleet/mmc60.html").is_file()


def test_a_damaged_state_costs_one_writing(lake):
    write(lake, "a")
    lake.board_file(written.FILE).write_text("{")
    assert write(lake, "a") == 1
    assert write(lake, "a") == 0


def test_what_fails_is_written_the_next_time(lake):
    def fail():
        yield "fleet.html", "half of it"
        raise ValueError("no such score")

    with pytest.raises(ValueError, match="no such score"), written_board(lake, "1") as board:
        board.update(Part("fleet", "a", fail))
    assert write(lake, "a") == 1


def test_a_part_that_fails_costs_no_other_one(lake):
    def fail():
        yield "money.html", "half of it"
        raise ValueError("no such rate")

    parts = [
        Part("first", "a", lambda: [("first.html", "1")]),
        Part("money", "a", fail),
        Part("today", "a", lambda: [("index.html", "2")]),
    ]
    with pytest.raises(ValueError, match="no such rate"), written_board(lake, "1") as board:
        board.update_all(parts)
    assert lake.board_file("index.html").read_text() == "2"
    with written_board(lake, "1") as board:
        assert [board.is_of(part.name, "a") for part in parts] == [True, False, True]


def test_the_state_names_its_pages(lake):
    write(lake, "a")
    state = json.loads(lake.board_file(written.FILE).read_text())
    assert state["parts"]["fleet"]["pages"] == ["fleet.html", "fleet/mmc60.html"]


def test_a_digest_changes_with_every_fact():
    assert len({digest(), digest(1), digest(1, 2), digest((1, 2)), digest("1")}) == 5
