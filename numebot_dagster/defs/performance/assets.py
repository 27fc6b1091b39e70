"""Define the assets of scores, leaderboard and payouts, each model's history, and the dashboard."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from numebot_dagster.defs import catalogue, metadata
from numebot_dagster.defs.metadata import Metadata, readable, stored_in
from numebot_dagster.defs.model_assets import (
    performance_key,
    scores_key,
    shared_attributes,
    submission_key,
)
from numebot_dagster.defs.partitions import days, rounds
from numebot_dagster.defs.performance import lineage
from numebot_dagster.defs.performance.lineage import PAYOUTS, SCORES
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.turns import READING, turn
from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.health import standing_checks, status
from numebot_dagster.operations.performance import collecting, digest, history
from numebot_dagster.operations.performance.history import Dashboard, ModelHistory
from numebot_dagster.operations.platform import Platform

LEADERBOARD = dg.AssetKey(["performance", "leaderboard"])
OVERVIEW = dg.AssetKey(["performance", "overview"])

MODELS_BETWEEN_LINES = 5  # a model's figures take a second

_DAILY: dict[str, Any] = {
    "partitions_def": days,
    "group_name": "performance",
    "kinds": {"numerai", "parquet"},
    # A whole range of days is one run with one query per model.
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "freshness_policy": catalogue.DAILY,
}

_OVERVIEW = (
    "The dashboard: every model and round in tables, and three charts. CORR by scoring day for "
    "each model and round; final CORR by round; mean final CORR against the number of rounds "
    "resolved. Scores of the first days are noise: only the last one counts. The newest day's "
    "scores are also sent as an alert, once."
)


@dg.asset(
    key=SCORES,
    metadata={**catalogue.source(), **catalogue.table(tables.SCORES)},
    check_specs=[
        dg.AssetCheckSpec(
            standing_checks.SCORES_ARRIVED,
            asset=SCORES,
            description="Warns: the scores of the last publication are stored of every submission "
            "in scoring. Numerai publishes them from Tuesday to Saturday.",
        )
    ],
    **_DAILY,
)
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
    for day, count in counts.items():
        stored = stored_in(tables.SCORES, opened.lake.day_file(tables.SCORES.name, day), count)
        context.add_asset_metadata(stored, partition_key=day.isoformat())
    gate = standing_checks.scores_arrived(opened, opened.client.now())
    return dg.MaterializeResult(check_results=list(metadata.check_results(SCORES, [gate])))


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


@dg.asset(
    key=LEADERBOARD,
    metadata={**catalogue.source(), **catalogue.table(tables.LEADERBOARD)},
    **_DAILY,
)
def leaderboard(
    context: dg.AssetExecutionContext, platform: PlatformResource
) -> dg.MaterializeResult:
    """Read today's leaderboard with rank, reputations, stake and returns of all models.

    Numerai publishes only today's, so a past day without a run stays empty.
    """
    opened = platform.open(context.log)
    with turn(context, opened.lake, READING):
        today = collecting.today(opened)  # only now: the wait may have passed midnight
        is_of_today = today in _days(context)
        own = collecting.collect_leaderboard(opened, today) if is_of_today else []
    if not is_of_today:
        return dg.MaterializeResult(
            metadata={
                "empty": "No run read the leaderboard on this day, and Numerai shows only today's."
            }
        )
    file = opened.lake.day_file(tables.LEADERBOARD.name, today)
    ranks = [entry.rank for entry in own if entry.rank is not None]
    staked = sum(float(entry.nmr_staked or 0) for entry in own)
    best = {"best_rank": min(ranks)} if ranks else {}
    empty = status.days_without_leaderboard(opened, opened.client.now())
    return dg.MaterializeResult(
        metadata=readable(
            {
                "own_models": len(own),
                "nmr_staked": staked,
                "days_not_watched": len(empty),
                **best,
                **stored_in(tables.LEADERBOARD, file, parquet.verify(file).rows),
            }
        )
    )


@dg.asset(key=PAYOUTS, metadata={**catalogue.source(), **catalogue.table(tables.PAYOUTS)}, **_DAILY)
def payouts(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Read pending and settled payouts of the registered models as they are today, in NMR.

    Numerai publishes only today's, so a past day without a run stays empty.
    """
    opened = platform.open(context.log)
    with turn(context, opened.lake, READING):
        today = collecting.today(opened)  # only now: the wait may have passed midnight
        is_of_today = today in _days(context)
        payouts = collecting.collect_payouts(opened, today) if is_of_today else []
    if not is_of_today:
        return dg.MaterializeResult(
            metadata={
                "empty": "No run read the payouts on this day, and Numerai shows only today's."
            }
        )
    by_state = {
        "pending_nmr": [payout for payout in payouts if not payout.settled],
        "settled_nmr": [payout for payout in payouts if payout.settled],
    }
    sums = {
        name: sum(float(payout.payout_nmr) for payout in of_state)
        for name, of_state in by_state.items()
        if of_state  # no payout is not a payout of zero
    }
    file = opened.lake.day_file(tables.PAYOUTS.name, today)
    return dg.MaterializeResult(
        metadata=readable({**sums, **stored_in(tables.PAYOUTS, file, len(payouts))})
    )


def build_scores(registry: Registry) -> list[dg.AssetSpec]:
    """Return the scores of every submitting model by round, which `performance/scores` reports."""
    return [_scores_by_round(model) for model in registry.submitting]


def _scores_by_round(model: RegisteredModel) -> dg.AssetSpec:
    return dg.AssetSpec(
        scores_key(model),
        partitions_def=rounds,
        deps=[submission_key(model)],
        kinds={"numerai"},
        metadata=catalogue.source(model),
        **shared_attributes(model),
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
        kinds={"duckdb"},
        description=f"The history of {model.name}: CORR and MMC by round, and its payouts.",
        freshness_policy=catalogue.DAILY,
        metadata=catalogue.source(model),
        **shared_attributes(model),
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
        freshness_policy=catalogue.DAILY,
        metadata=catalogue.source(),
        check_specs=[
            dg.AssetCheckSpec(
                standing_checks.EVERYTHING_CONFIRMED,
                asset=OVERVIEW,
                description="Every submission to the newest round is confirmed. Made after each "
                "round and every day.",
            )
        ],
    )
    def overview(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        from numebot_dagster.operations.performance.board import pages as board

        opened = platform.open(context.log)
        catalog.rebuild(opened.lake)
        outbox.send(opened, *digest.newest_scores(opened))
        gate = standing_checks.everything_confirmed(opened, status.moment(opened))
        yield from metadata.check_results(OVERVIEW, [gate])
        # Last, so that a page that cannot be written costs neither the digest nor the check.
        shown = _dashboard_metadata(history.draw_dashboard(opened.lake))
        shown["board"] = dg.MetadataValue.path(board.write(opened).absolute())
        yield dg.MaterializeResult(metadata=shown)

    return overview


def _history_metadata(shown: ModelHistory) -> Metadata:
    return {
        "corr_by_round": dg.MetadataValue.md(shown.curve),
        "newest_rounds": metadata.rows_of(shown.rounds),
        **readable(shown.numbers),
    }


def _dashboard_metadata(dashboard: Dashboard) -> Metadata:
    from numebot_dagster.reporting.performance_tables import (
        models_of_dashboard,
        rounds_of_dashboard,
    )

    rounds = dashboard.rounds
    return {
        **lineage.of_models(dashboard.models),
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
