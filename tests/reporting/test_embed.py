"""Pictures in Markdown, short enough to be shown in their place."""

from __future__ import annotations

import pytest

from numebot_dagster.lake.figures import Figure
from numebot_dagster.reporting.embed import INLINE_LIMIT, figure_picture, served_picture


@pytest.mark.parametrize(
    ("name", "alt", "shown", "address"),
    [
        ("corr.svg", "CORR by day", "CORR by day", "corr.svg"),
        ("a b).png?v=1", "a [b]\nc", "a b c", "a%20b%29.png?v=1"),
        ("../x.png", "", "", "..%2Fx.png"),
    ],
)
def test_a_served_figure_is_shown_by_its_name_and_leads_to_itself(name, alt, shown, address):
    address = f"/numebot/figures/{address}"
    assert served_picture(name, alt) == f"[![{shown}]({address})]({address})"


def test_a_stored_figure_is_shown_in_its_newest_version_above_its_path():
    figure = Figure("corr.png", "board/figures/corr.png", "CORR", "0a1b2c3d")
    address = "/numebot/figures/corr.png?v=0a1b2c3d"
    assert figure_picture(figure) == (
        f"[![CORR]({address})]({address})\n\n`board/figures/corr.png`"
    )


def test_the_longest_name_is_not_hidden_behind_a_link():
    name = f"{'n' * 200}.png"
    figure = Figure(name, f"board/figures/{name}", "a" * 999, "0a1b2c3d")
    assert len(figure_picture(figure)) < INLINE_LIMIT
