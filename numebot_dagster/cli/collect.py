"""`numebot collect`: read scores, leaderboard and payouts now."""

from __future__ import annotations

import typer

from numebot_dagster.cli import session
from numebot_dagster.cli.screen import show_table
from numebot_dagster.cli.session import console
from numebot_dagster.lake import catalog
from numebot_dagster.operations.performance import collecting


def collect() -> None:
    """Read what Numerai has published since the last time: scores, leaderboard and payouts.

    Days on which nothing ran are read back. `numebot up` does this by itself every day.
    """
    from numebot_dagster.reporting.tables import model_summary, rich_table

    with session.explained():
        platform = session.open_platform(needs_key=True)
        days = collecting.days_to_collect(platform)
        console.print(f"Reading {days[0]} to {days[-1]} …", highlight=False)
        done = session.collect(platform, days)
        scores = catalog.query(platform.lake, "from scores")
        payouts = catalog.query(platform.lake, "from payouts")
        summary = model_summary(scores, payouts).drop("std_corr", "rounds", "settled_nmr")
        unknown = [name for name in summary.columns if summary[name].is_null().all()]
        expendable = [name.replace("_", " ") for name in (*unknown, "percentile", "sharpe")]
        show_table(rich_table(summary, "Models"), expendable)
        console.print(
            'All of it: numebot sql "from scores", from leaderboard, from payouts; as curves: '
            "numebot up, asset performance/overview.",
            highlight=False,
        )
    raise typer.Exit(0 if done else 1)
