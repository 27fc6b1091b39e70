"""`numebot collect`: read scores, leaderboard and payouts now."""

from __future__ import annotations

import typer

from numebot_dagster.cli import errors, execution, session
from numebot_dagster.cli.screen import say, show_table
from numebot_dagster.lake import catalog
from numebot_dagster.operations.performance import collecting


def collect() -> None:
    """Read the scores, leaderboard and payouts that Numerai has published since the last time.

    Days that were missed are read too. `numebot up` does this every day.
    """
    from numebot_dagster.reporting.performance_tables import model_summary
    from numebot_dagster.reporting.tables import rich_table

    with errors.explained():
        platform = session.open_platform(needs_key=True)
        days = collecting.days_to_collect(platform)
        say(f"Reading {days[0]} to {days[-1]} …")
        success = execution.collect(platform, days)
        scores = catalog.query(platform.lake, "from scores")
        payouts = catalog.query(platform.lake, "from payouts")
        summary = model_summary(scores, payouts).drop("std_corr", "rounds", "settled_nmr")
        unknown = [name for name in summary.columns if summary[name].is_null().all()]
        expendable = [name.replace("_", " ") for name in (*unknown, "percentile", "sharpe")]
        show_table(rich_table(summary, "Models"), expendable)
        say(
            'To see more: numebot sql "from scores limit 20", and so of leaderboard and payouts. '
            "For charts: numebot up, asset performance/overview."
        )
    raise typer.Exit(0 if success else 1)
