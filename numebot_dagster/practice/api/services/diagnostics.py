"""Score uploaded validation predictions era by era with numerai-tools."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from numebot_dagster.practice.api.services.jobs import Job
from numebot_dagster.practice.datasets.contents import WEEKS_UNKNOWN
from numebot_dagster.practice.rules.tournament import CLASSIC
from numebot_dagster.practice.schema import Fields
from numebot_dagster.practice.schema.dialect import schema_fields
from numebot_dagster.practice.scoring.scores import correlations

if TYPE_CHECKING:
    import pandas as pd

    from numebot_dagster.practice.api.request import Services

BENCHMARK = "v53_lgbm_ender60"
HORIZON = 60
NEUTRALISERS = "fncv3_features"
WEEKS_OF_A_YEAR = 52


class UnusableFile(Exception):
    """A file that cannot be scored; the message gives the reason."""


def diagnose(services: Services, job: Job) -> None:
    """Score the uploaded predictions of a job and store the result, or why there is none."""
    tournament = services.tournament
    if job.newest.status == "pending":
        services.jobs.step(job.id, "running", tournament.clock.now())
    content = tournament.state.content(job.facts["filename"])
    try:
        eras, counted = per_era(services, content, job)
    except UnusableFile as error:
        services.jobs.step(job.id, "failed", tournament.clock.now(), str(error))
        return
    services.jobs.change(job, result={**summary(eras), **counted, "perEraDiagnostics": eras})
    services.jobs.step(job.id, "done", tournament.clock.now())


def per_era(services: Services, content: bytes, job: Job) -> tuple[list[Fields], Fields]:
    """Return the scores of each era with all its rows, and the fields that tell which these are.

    Raises:
        UnusableFile: It has other columns, values that are not predictions, or no complete era.
    """
    import pandas as pd

    market, lock = services.tournament.market, services.tournament.market_lock
    scale = market.scale
    last = market.last_validation_era(job.inserted_at.date())
    first_meta = scale.train_eras + scale.validation_eras - scale.meta_model_eras + 1
    predictions = read(content)
    eras, missing = [], []
    for era in range(scale.train_eras + 1, last - WEEKS_UNKNOWN[HORIZON] + 1):
        with lock:
            ids = pd.Index(market.live_ids(market.saturday_of(era)))
        places = predictions.index.get_indexer(ids)  # its table of ids is made once for all eras
        mine = predictions.iloc[places[places >= 0]]
        if len(mine) == len(ids) and mine.std() > 0:
            eras.append(_era(services, era, mine, with_meta=era >= first_meta))
        else:
            missing.append(market.name_of(era))
    if not eras:
        raise UnusableFile("the file has no era of the validation data in full")
    return eras, {"erasAcceptedCount": len(eras), "erasMissing": missing}


def read(content: bytes) -> pd.Series:
    """Return the predictions of a file by id."""
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise UnusableFile(f"the file is not a table: {error}") from error
    if list(table.columns)[:1] != ["id"] or list(table.columns)[1:] not in (
        ["prediction"],
        ["probability"],
    ):
        raise UnusableFile(f"its columns must be id and prediction, not {', '.join(table.columns)}")
    values = table.set_index("id").iloc[:, 0]
    if values.index.has_duplicates:
        raise UnusableFile("an id occurs twice")
    if not pd.api.types.is_numeric_dtype(values) or not values.between(0, 1).all():
        raise UnusableFile("predictions must be numbers between 0 and 1")
    return values.astype(float)


def _era(services: Services, era: int, mine: pd.Series, *, with_meta: bool) -> Fields:
    """Return a V2DiagnosticsEras; scores that only Signals has are null."""
    import pandas as pd
    from numerai_tools import scoring

    market = services.tournament.market
    day = market.saturday_of(era)
    with services.tournament.market_lock:
        ids = market.live_ids(day)  # ascending, as numerai-tools needs them
        target = pd.Series(market.realised_target(day, HORIZON), ids, name="target").astype(float)
        benchmark = pd.Series(market.benchmarks(day)[BENCHMARK], ids, name="benchmark")
        features = pd.DataFrame(market.live_features(day), ids, market.feature_names).astype(float)
        meta = pd.Series(services.lineups.meta_model(day), ids) if with_meta else None
    frame = mine.sort_index().rename("prediction").to_frame()
    neutralisers = features[market.features_json()["feature_sets"][NEUTRALISERS]]

    def contribution(to: pd.Series) -> float:
        return float(scoring.correlation_contribution(frame, to, target)["prediction"])

    neutral = scoring.feature_neutral_corr(frame, neutralisers, target)
    exposures = correlations(frame.to_numpy(), features.to_numpy())
    return {
        **dict.fromkeys(_SIGNALS_ONLY),
        "era": market.name_of(era),
        "validationCorr": float(scoring.numerai_corr(frame, target)["prediction"]),
        "validationMmc": None if meta is None else contribution(meta),
        "validationBmc": contribution(benchmark),
        # scoring.max_feature_correlation takes a millisecond for each feature
        "validationFeatureCorrMax": float(np.abs(exposures).max()),
        "validationFeatureNeutralCorr": None,
        "validationFeatureNeutralCorrV3": float(neutral["prediction"]),
        "examplePredsCorr": float(frame["prediction"].corr(benchmark, method="spearman")),
    }


_SIGNALS_ONLY = (
    "validationAlpha", "validationChurn", "validationCorrV4", "validationFncV4",
    "validationIcV2", "validationRic", "validationTurnover",
)  # fmt: skip


def summary(eras: list[Fields]) -> Fields:
    """Return the figures of a whole validation, from its eras in order.

    Standard deviations have `ddof=0`; a drawdown is that of the cumulated scores, above zero.
    """
    corr = _column(eras, "validationCorr")
    mmc = _column(eras, "validationMmc")
    both = np.array(
        [era["validationCorr"] + era["validationMmc"] for era in eras if era["validationMmc"]]
    )
    return {
        **_moments("validationCorr", corr),
        **_moments("validationMmc", mmc),
        **_moments("validationCorrPlusMmc", both),
        "validationMaxDrawdown": _drawdown(corr),
        "validationCorrMaxDrawdown": _drawdown(corr),
        "validationBmcMean": _mean(_column(eras, "validationBmc")),
        "validationFeatureCorrMax": float(_column(eras, "validationFeatureCorrMax").max()),
        "validationFeatureNeutralCorrV3Mean": _mean(
            _column(eras, "validationFeatureNeutralCorrV3")
        ),
        "validationCorrCorrWExamplePreds": _mean(_column(eras, "examplePredsCorr")),
        "examplePredsCorrMean": _mean(_column(eras, "examplePredsCorr")),
        "validationAutocorr": _autocorrelation(corr),
        "validationApy": _apy(corr),
    }


def _column(eras: Iterable[Fields], name: str) -> np.ndarray:
    return np.array([era[name] for era in eras if era[name] is not None], dtype=np.float64)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _moments(name: str, values: np.ndarray) -> Fields:
    """Return mean, standard deviation and their ratio, None where there are no values."""
    deviation = float(values.std()) if len(values) else None
    mean = _mean(values)
    sharpe = mean / deviation if mean is not None and deviation else None
    return {f"{name}Mean": mean, f"{name}Std": deviation, f"{name}Sharpe": sharpe}


def _drawdown(scores: np.ndarray) -> float:
    total = np.cumsum(scores)
    return float((np.maximum.accumulate(total) - total).max())


def _autocorrelation(scores: np.ndarray) -> float | None:
    if len(scores) < 3 or not scores.std():
        return None
    return float(np.corrcoef(scores[1:], scores[:-1])[0, 1])


def _apy(scores: np.ndarray) -> float:
    """Return the payout of a year of weekly rounds with these scores, in per cent."""
    growth = np.log1p(np.clip(scores, -0.25, 0.25)).sum()
    return float(np.expm1(growth * WEEKS_OF_A_YEAR / len(scores)) * 100)


def diagnostics_fields(job: Job) -> Fields:
    """Return a V2Diagnostics; what has not been computed is null."""
    result: dict[str, Any] = job.facts.get("result") or {}
    step = job.newest
    seconds = (step.at - job.inserted_at).total_seconds()
    return {
        **dict.fromkeys(schema_fields("V2Diagnostics")),
        **result,
        "id": job.id,
        "filename": job.facts["filename"],
        "insertedAt": job.inserted_at,
        "updatedAt": step.at,
        "status": step.status,
        "message": step.message,
        "processSecs": seconds if result else None,
        "trainedOnVal": False if result else None,
        "tournament": CLASSIC,
    }
