"""Scores, leaderboard and payouts by day, each model's history, and the dashboard."""

from datetime import date
from typing import Any

import dagster as dg

from numebot_dagster.defs.metadata import readable
from numebot_dagster.defs.partitions import days, rounds
from numebot_dagster.defs.performance import figures
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.training.weights import group_of, submission_key
from numebot_dagster.defs.turns import READING, turn
from numebot_dagster.lake import catalog
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.health import status
from numebot_dagster.operations.performance import collecting, digest

SCORES = dg.AssetKey(["performance", "scores"])
LEADERBOARD = dg.AssetKey(["performance", "leaderboard"])
PAYOUTS = dg.AssetKey(["performance", "payouts"])
OVERVIEW = dg.AssetKey(["performance", "overview"])

MODELS_BETWEEN_LINES = 5  # the figures of one take a second

_DAILY: dict[str, Any] = {
    "partitions_def": days,
    "group_name": "performance",
    "kinds": {"numerai", "parquet"},
    # One run, and one question per model, for a whole range of days.
    "backfill_policy": dg.BackfillPolicy.single_run(),
}


def performance_key(model: RegisteredModel) -> dg.AssetKey:
    """The asset of a model's history."""
    return dg.AssetKey(["models", model.asset_name, "performance"])


def scores_key(model: RegisteredModel) -> dg.AssetKey:
    """The asset on which a model's newest scores are plotted by round."""
    return dg.AssetKey(["models", model.asset_name, "scores"])


@dg.asset(key=SCORES, **_DAILY)
def scores(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Every score that Numerai published on a day for own models.

    Past days are read back when nobody watched; today is rewritten until it ends. Numerai publishes
    from Tuesday to Saturday, so Sundays and Mondays are empty.
    """
    shop = platform.open(context.log)
    wanted = _days(context)
    with turn(context, shop.lake, READING):
        counts = collecting.collect_scores(shop, wanted)
    played = set(context.instance.get_dynamic_partitions(rounds.name))
    plotted = {model.name: scores_key(model) for model in _submitting(shop.registry)}
    for found in figures.scores_to_plot(shop.lake, wanted):
        if found.model in plotted and found.partition in played:
            context.log_event(
                dg.AssetMaterialization(
                    plotted[found.model], partition=found.partition, metadata=found.facts
                )
            )
    return dg.MaterializeResult(
        metadata={
            "scores": sum(counts.values()),
            "days_with_scores": sum(1 for count in counts.values() if count),
            "days": len(counts),
        }
    )


@dg.asset(key=LEADERBOARD, **_DAILY)
def leaderboard(
    context: dg.AssetExecutionContext, platform: PlatformResource
) -> dg.MaterializeResult:
    """The leaderboard of today: rank, reputations, stake, returns of own models and the field.

    Numerai tells only today's, so a past day that nobody watched stays empty.
    """
    shop = platform.open(context.log)
    if collecting.today(shop) not in _days(context):
        return dg.MaterializeResult(
            metadata={"empty": "Numerai tells only today's leaderboard; this day was not watched."}
        )
    with turn(context, shop.lake, READING):
        own = collecting.collect_leaderboard(shop)
    ranks = [entry.rank for entry in own if entry.rank is not None]
    staked = sum(float(entry.nmr_staked or 0) for entry in own)
    best = {"best_rank": min(ranks)} if ranks else {}
    empty = status.days_without_leaderboard(shop, shop.client.now())
    return dg.MaterializeResult(
        metadata=readable(
            {
                "own_models": len(own),
                "nmr_staked": staked,
                "days_not_watched": len(empty),
                **best,
            }
        )
    )


@dg.asset(key=PAYOUTS, **_DAILY)
def payouts(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult:
    """Pending and settled payouts of own models as they are today, in NMR.

    Numerai tells only today's, so a past day that nobody watched stays empty.
    """
    shop = platform.open(context.log)
    if collecting.today(shop) not in _days(context):
        return dg.MaterializeResult(
            metadata={"empty": "Numerai tells only today's payouts; this day was not watched."}
        )
    with turn(context, shop.lake, READING):
        payouts = collecting.collect_payouts(shop)
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
    """The scores of every enabled model by round, which `performance/scores` reports by day."""
    return [_scores_by_round(model) for model in _submitting(registry)]


def _scores_by_round(model: RegisteredModel) -> dg.AssetSpec:
    return dg.AssetSpec(
        scores_key(model),
        partitions_def=rounds,
        deps=[submission_key(model)],
        group_name=group_of(model),
        kinds={"numerai"},
        description=(
            f"What Numerai made of each submission of **{model.name}**: its newest scores and "
            "percentiles, as curves over rounds (*Overview → Metadata → Plots*). "
            "`performance/scores` reports them here on the first and every fifth scoring day and "
            "when the round resolves."
        ),
    )


def build_performance(registry: Registry) -> list[dg.AssetsDefinition]:
    """The history of every enabled model, and the dashboard over all of them."""
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
        description=f"The history of **{model.name}**: CORR and MMC by round, and its payouts.",
    )
    def performance(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult:
        shop = platform.open(context.log)
        if number % MODELS_BETWEEN_LINES == 0:
            shop.log.info("Drawing the figures of models: %d of %d", number, of_all)
        return dg.MaterializeResult(metadata=figures.model_metadata(shop.lake, model.name))

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
    )
    def overview(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult:
        """The dashboard: every model and round in tables, and the three charts.

        CORR by scoring day for each model and round; final CORR by round; mean final CORR against
        the number of rounds resolved. Scores of the first days are noise: only the last one counts.
        The newest day's scores are also sent as an alert, once.
        """
        shop = platform.open(context.log)
        catalog.rebuild(shop.lake)
        shown = figures.overview_metadata(shop.lake)
        outbox.send(shop, *digest.newest_scores(shop))
        return dg.MaterializeResult(metadata=shown)

    return overview


def _submitting(registry: Registry) -> list[RegisteredModel]:
    return [model for model in registry.enabled if model.submit]


def _days(context: dg.AssetExecutionContext) -> list[date]:
    return [date.fromisoformat(key) for key in context.partition_keys]
