"""Define the assets of scores, leaderboard and payouts, each model's history, and the dashboard."""

from datetime import date
from typing import Any

import dagster as dg

from numebot_dagster.defs import metadata
from numebot_dagster.defs.metadata import Metadata, readable
from numebot_dagster.defs.partitions import days, rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.training.weights import group_of, submission_key
from numebot_dagster.defs.turns import READING, turn
from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.health import status
from numebot_dagster.operations.performance import collecting, digest, history
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.performance.history import Dashboard, ModelHistory
from numebot_dagster.operations.platform import Platform

SCORES = dg.AssetKey(["performance", "scores"])
LEADERBOARD = dg.AssetKey(["performance", "leaderboard"])
PAYOUTS = dg.AssetKey(["performance", "payouts"])
OVERVIEW = dg.AssetKey(["performance", "overview"])

MODELS_BETWEEN_LINES = 5  # a model's figures take a second

_DAILY: dict[str, Any] = {
    "partitions_def": days,
    "group_name": "performance",
    "kinds": {"numerai", "parquet"},
    # A whole range of days is one run with one query per model.
    "backfill_policy": dg.BackfillPolicy.single_run(),
}


_OVERVIEW = (
    "The dashboard: every model and round in tables, and three charts. CORR by scoring day for "
    "each model and round; final CORR by round; mean final CORR against the number of rounds "
    "resolved. Scores of the first days are noise: only the last one counts. The newest day's "
    "scores are also sent as an alert, once."
)


def performance_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's history."""
    return dg.AssetKey(["models", model.asset_name, "performance"])


def scores_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's newest scores by round."""
    return dg.AssetKey(["models", model.asset_name, "scores"])


@dg.asset(key=SCORES, **_DAILY)
def scores(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Read every score that Numerai published on a day for the registered models.

    Missing days of the past are read back; today is rewritten until it ends. Numerai publishes
    from Tuesday to Saturday, so Sundays and Mondays are empty.
    """
    opened = platform.open(context.log)
    days = _days(context)
    with turn(context, opened.lake, READING):
        counts = collecting.collect_scores(opened, days)
    _report_scores_by_round(context, opened, days)
    return dg.MaterializeResult(
        metadata={
            "scores": sum(counts.values()),
            "days_with_scores": sum(1 for count in counts.values() if count),
            "days": len(counts),
        }
    )


def _report_scores_by_round(
    context: dg.AssetExecutionContext, platform: Platform, days: list[date]
) -> None:
    """Report the newest scores of each round on the asset that plots them."""
    played = set(context.instance.get_dynamic_partitions(rounds.name))
    keys = {model.name: scores_key(model) for model in platform.registry.submitting}
    for newest in history.scores_to_plot(platform.lake, days):
        partition = str(newest.round_number)
        if newest.model in keys and partition in played:
            context.log_event(
                dg.AssetMaterialization(
                    keys[newest.model], partition=partition, metadata=readable(newest.numbers)
                )
            )


@dg.asset(key=LEADERBOARD, **_DAILY)
def leaderboard(
    context: dg.AssetExecutionContext, platform: PlatformResource
) -> dg.MaterializeResult:
    """Read today's leaderboard with rank, reputations, stake and returns of all models.

    Numerai publishes only today's, so a past day without a run stays empty.
    """
    opened = platform.open(context.log)
    if collecting.today(opened) not in _days(context):
        return dg.MaterializeResult(
            metadata={
                "empty": "No run read the leaderboard on this day, and Numerai shows only today's."
            }
        )
    with turn(context, opened.lake, READING):
        own = collecting.collect_leaderboard(opened)
    ranks = [entry.rank for entry in own if entry.rank is not None]
    staked = sum(float(entry.nmr_staked or 0) for entry in own)
    best = {"best_rank": min(ranks)} if ranks else {}
    empty = status.days_without_leaderboard(opened, opened.client.now())
    return dg.MaterializeResult(
        metadata=readable(
            {"own_models": len(own), "nmr_staked": staked, "days_not_watched": len(empty), **best}
        )
    )


@dg.asset(key=PAYOUTS, **_DAILY)
def payouts(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Read pending and settled payouts of the registered models as they are today, in NMR.

    Numerai publishes only today's, so a past day without a run stays empty.
    """
    opened = platform.open(context.log)
    if collecting.today(opened) not in _days(context):
        return dg.MaterializeResult(
            metadata={
                "empty": "No run read the payouts on this day, and Numerai shows only today's."
            }
        )
    with turn(context, opened.lake, READING):
        payouts = collecting.collect_payouts(opened)
    by_state = {
        "pending_nmr": [payout for payout in payouts if not payout.settled],
        "settled_nmr": [payout for payout in payouts if payout.settled],
    }
    sums = {
        name: sum(float(payout.payout_nmr) for payout in of_state)
        for name, of_state in by_state.items()
        if of_state  # no payout is not a payout of zero
    }
    return dg.MaterializeResult(metadata=readable({**sums, "dagster/row_count": len(payouts)}))


def build_scores(registry: Registry) -> list[dg.AssetSpec]:
    """Return the scores of every submitting model by round, which `performance/scores` reports."""
    return [_scores_by_round(model) for model in registry.submitting]


def _scores_by_round(model: RegisteredModel) -> dg.AssetSpec:
    return dg.AssetSpec(
        scores_key(model),
        partitions_def=rounds,
        deps=[submission_key(model)],
        group_name=group_of(model),
        kinds={"numerai"},
        description=(
            f"The newest scores and percentiles of each submission of {model.name}. *Overview → "
            "Metadata → Plots* shows them as curves over rounds. `performance/scores` reports them "
            "here on the first and every fifth scoring day and when the round resolves."
        ),
    )


def build_performance(registry: Registry) -> list[dg.AssetsDefinition]:
    """Return the history of every enabled model, and the dashboard of all of them."""
    names = sorted(model.asset_name for model in registry.enabled)  # the order in which they run
    histories = [
        _performance(model, names.index(model.asset_name) + 1, len(names))
        for model in registry.enabled
    ]
    return [*histories, _overview(registry)]


def _performance(model: RegisteredModel, number: int, of_all: int) -> dg.AssetsDefinition:
    @dg.asset(
        key=performance_key(model),
        deps=[SCORES, PAYOUTS],
        group_name=group_of(model),
        kinds={"duckdb"},
        description=f"The history of {model.name}: CORR and MMC by round, and its payouts.",
    )
    def performance(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult:
        opened = platform.open(context.log)
        if number % MODELS_BETWEEN_LINES == 0:
            opened.log.info("Drawing the figures of models: %d of %d", number, of_all)
        return dg.MaterializeResult(
            metadata=_history_metadata(history.model_history(opened.lake, model.name))
        )

    return performance


def _overview(registry: Registry) -> dg.AssetsDefinition:
    @dg.asset(
        key=OVERVIEW,
        deps=[
            SCORES,
            LEADERBOARD,
            PAYOUTS,
            *(performance_key(model) for model in registry.enabled),
        ],
        group_name="performance",
        kinds={"duckdb"},
        description=metadata.with_board(_OVERVIEW, history.CHARTS),
    )
    def overview(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult:
        opened = platform.open(context.log)
        catalog.rebuild(opened.lake)
        shown = _dashboard_metadata(history.draw_dashboard(opened.lake))
        shown["board"] = dg.MetadataValue.path(board.write(opened).absolute())
        outbox.send(opened, *digest.newest_scores(opened))
        return dg.MaterializeResult(metadata=shown)

    return overview


def _history_metadata(shown: ModelHistory) -> Metadata:
    return {
        "corr_by_round": dg.MetadataValue.md(shown.curve),
        "summary": metadata.markdown(shown.summary),
        **readable(shown.numbers),
    }


def _dashboard_metadata(dashboard: Dashboard) -> Metadata:
    from numebot_dagster.reporting.performance_tables import (
        models_of_dashboard,
        rounds_of_dashboard,
    )

    rounds = dashboard.rounds
    return {
        "mean_corr_by_round": dg.MetadataValue.md(dashboard.curve),
        "models": metadata.markdown(models_of_dashboard(dashboard.models)),
        "rounds": metadata.markdown(rounds_of_dashboard(rounds)),
        **metadata.pictures(dashboard.charts),
        "figures": dg.MetadataValue.path(dashboard.folder),
        "submissions": rounds.height,
        "confirmed": rounds.filter(rounds["state"] == "confirmed").height,
        "resolved_submissions": rounds.filter(rounds["resolved"]).height,
    }


def _days(context: dg.AssetExecutionContext) -> list[date]:
    return [date.fromisoformat(key) for key in context.partition_keys]
