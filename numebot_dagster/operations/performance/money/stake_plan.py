"""Suggest a stake for each model and round, from the eras that no model has seen.

Nothing here can move stake: it is a calculation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from numebot_dagster import command_lines
from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.scoring.allocation import (
    Evidence,
    Interval,
    clusters,
    correlations,
    equal_by_cluster,
    shrunk_covariance,
)

if TYPE_CHECKING:
    import polars as pl

ROUNDS_AT_ONCE = 64
"""Rounds that run at the same time; Numerai recommends a stake of total / 64 for each round."""

LEAST_ERAS = 52
DAYS_OF_AN_ERA = 5
_CENTS = Decimal("0.01")

_DIAGNOSES = "select distinct model, vintage, code_hash from diagnostics"
_ERAS = """
select model, vintage, era, metric, any_value(value) as value, any_value(recipe) as recipe
from diagnostics where model = ? and vintage = ? and code_hash = ? and value is not null
group by all order by era, metric
"""
_RULES = """
select round, score_configs from rounds where score_configs is not null
order by round desc limit 1
"""


class NoPlan(Exception):
    """A stake cannot be suggested; the text says why and what to type."""


@dataclass(frozen=True)
class Multiplier:
    """A paid score by its metric in the diagnostics, and what it is multiplied by."""

    score: str
    metric: str
    multiplier: float
    days: int


@dataclass(frozen=True)
class Rules:
    """What the newest stored round pays."""

    round_number: int
    multipliers: tuple[Multiplier, ...]
    clip: float

    def returns(self, scores: pl.DataFrame) -> pl.Expr:
        """Return the expression of what a stake of one earns, from a column for each metric."""
        import polars as pl

        terms = [pl.col(each.metric) * each.multiplier for each in self.multipliers]
        return pl.sum_horizontal(terms).clip(-self.clip, self.clip)

    @property
    def words(self) -> str:
        """The rule in words."""
        terms = " + ".join(f"{each.multiplier:g} x {each.metric}" for each in self.multipliers)
        return f"{terms}, clipped at {self.clip:g}"


@dataclass(frozen=True)
class Suggestion:
    """What one model would get in each round.

    Attributes:
        cluster: number of the group of models that are the same bet, from 1.
        weight: share of a round's stake.
        nmr: stake in each round.
        mean: return of an era on a stake of one.
        closest: the model that it correlates most with, and how much; none when it is alone.
        differs: whether its mean can be told from that of the others.
        reason: why it gets this weight.
    """

    model: str
    cluster: int
    weight: float
    nmr: Decimal
    mean: Interval
    closest: tuple[str, float] | None
    differs: bool
    reason: str


@dataclass(frozen=True)
class Plan:
    """A suggestion for all models.

    Attributes:
        total: NMR that are at stake when all rounds run.
        rounds: that run at once.
        eras: with scores of all models.
        effective_eras: how many independent ones say as much.
        mean: return of an era on the whole stake.
        spread: of that return.
        left_out: models without enough eras, with how many they have and what gives more.
    """

    total: Decimal
    rounds: int
    rules: Rules
    eras: int
    effective_eras: float
    models: tuple[Suggestion, ...]
    mean: Interval
    spread: Interval
    recipes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def a_round(self) -> Decimal:
        """NMR on all models in one round."""
        return sum((each.nmr for each in self.models), Decimal(0))

    @property
    def is_evidence(self) -> bool:
        """Whether any model can be told from the others."""
        return any(each.differs for each in self.models)


def suggest(lake: Lake, codes: Mapping[str, str | None], total: Decimal) -> Plan:
    """Return a stake for each model in each round.

    Args:
        lake: the data folder.
        codes: the models to share the stake among, each with the hash of its present code.
        total: NMR that may be at stake at once.

    Raises:
        NoPlan: too little is stored; the text says what to type.
    """
    rules = read_rules(lake)
    models, eras = list(codes), _eras(lake, codes)
    table = _returns(eras, rules)
    enough = [name for name in models if table.get(name) and len(table[name]) >= LEAST_ERAS]
    if not enough:
        texts = (f" {name} {_shortage(lake, name, eras, rules)}." for name in models)
        raise NoPlan(
            f"A stake can be suggested for a model with scores of {LEAST_ERAS} eras in "
            f"{_metrics(rules)}, and there is none.{''.join(texts)}"
        )
    common = sorted(set.intersection(*(set(table[name]) for name in enough)))
    if len(common) < LEAST_ERAS:
        raise NoPlan(
            f"Only {len(common)} eras have scores of all of {', '.join(enough)}: choose fewer by "
            "--models, or diagnose them on the same vintage"
        )
    returns = np.array([[table[name][era] for name in enough] for era in common])
    overlap = max(-(-each.days // DAYS_OF_AN_ERA) for each in rules.multipliers)
    evidence = Evidence(returns, overlap)
    recipes = dict.fromkeys(eras.filter(eras["model"].is_in(enough))["recipe"].drop_nulls())
    left_out = {name: _shortage(lake, name, eras, rules) for name in models if name not in enough}
    return _plan(evidence, enough, total, rules, tuple(recipes), left_out)


def _shortage(lake: Lake, model: str, eras: pl.DataFrame, rules: Rules) -> str:
    """Return how many eras of each paid score a model has, and what gives it more, if anything."""
    own = eras.filter(eras["model"] == model)
    command = command_lines.numebot("models", "diagnose", model)
    if own.is_empty():
        return f"has no diagnosis; to make one: {command}"
    counts = (
        f"{own.filter(own['metric'] == each.metric)['era'].n_unique()} eras of {each.metric}"
        for each in rules.multipliers
    )
    text = f"has {' and '.join(counts)}, of {own['era'].n_unique()} in its diagnosis"
    diagnosed = own["vintage"].to_list()[0]  # eras of one diagnosis
    present = max((place.vintage for place in lake.weights_folders(model)), default=diagnosed)
    if diagnosed == present:
        return f"{text}, which is of its newest weights: newer data will have more eras"
    return f"{text} of vintage {diagnosed}; to diagnose vintage {present}: {command}"


def _eras(lake: Lake, codes: Mapping[str, str | None]) -> pl.DataFrame:
    """Return the scores by era of each model's newest diagnosis, of its present code if it can."""
    import polars as pl

    newest: dict[str, tuple[int, bool, str]] = {}
    for model, vintage, label in catalog.query(lake, _DIAGNOSES).iter_rows():
        if model in codes:
            is_present = label.partition("-")[0] == codes[model]
            newest[model] = max(newest.get(model, (-1, False, "")), (vintage, is_present, label))
    frames = [
        catalog.query(lake, _ERAS, [model, vintage, label])
        for model, (vintage, _, label) in newest.items()
    ]
    return pl.concat(frames or [catalog.query(lake, _ERAS, ["", 0, ""])])


def read_rules(lake: Lake) -> Rules:
    """Return what the newest stored round pays on.

    Raises:
        NoPlan: no round is stored, or its scores have no counterpart among the diagnostics.
    """
    rows = catalog.query(lake, _RULES).rows()
    if not rows:
        raise NoPlan(f"No round is stored. To store one: {command_lines.numebot('rounds', 'add')}")
    number, text = rows[0]
    paid = [config for config in json.loads(text) if config["is_payout"]]
    clips = [config["clip_threshold"] for config in paid if config["clip_threshold"]]
    if not paid or not clips:
        raise NoPlan(f"Round {number} is stored without what it pays on and where it is clipped")
    return Rules(number, tuple(_multiplier(config, number) for config in paid), min(clips))


def _multiplier(config: dict[str, Any], number: int) -> Multiplier:
    """Return a paid score with its metric: CORR and MMC are scored by era as they are paid."""
    name = config["display_name"] or config["name"]
    metric = next((each for each in ("corr", "mmc") if each in name.lower()), None)
    if metric is None or config["default_multiplier"] is None:
        raise NoPlan(f"Round {number} pays for {name}, which no diagnosis scores by era")
    days = config["total_score_days"] or 60
    return Multiplier(name, metric, config["default_multiplier"], days)


def _metrics(rules: Rules) -> str:
    return " and ".join(each.metric for each in rules.multipliers)


def _returns(eras: pl.DataFrame, rules: Rules) -> dict[str, dict[int, float]]:
    """Return what a stake of one would have earned by model and era, where all scores are known."""
    metrics = [each.metric for each in rules.multipliers]
    wide = eras.pivot("metric", index=["model", "era"], values="value")
    if not set(metrics) <= set(wide.columns):
        return {}
    whole = wide.drop_nulls(metrics)
    whole = whole.with_columns(rules.returns(whole).alias("return"))
    table: dict[str, dict[int, float]] = {}
    for model, era, earned in whole.select("model", "era", "return").iter_rows():
        table.setdefault(model, {})[era] = earned
    return table


def _plan(
    evidence: Evidence,
    models: list[str],
    total: Decimal,
    rules: Rules,
    recipes: tuple[str, ...],
    left_out: dict[str, str],
) -> Plan:
    correlation = correlations(shrunk_covariance(evidence.returns))
    labels = clusters(correlation)
    weights = equal_by_cluster(labels)
    differ = evidence.differences()
    suggestions = tuple(
        Suggestion(
            model=name,
            cluster=labels[place] + 1,
            weight=float(weights[place]),
            nmr=_stake(total, float(weights[place])),
            mean=evidence.means[place],
            closest=_closest(correlation, place, models),
            differs=differ[place],
            reason=_reason(labels, place),
        )
        for place, name in enumerate(models)
    )
    return Plan(
        total=total,
        rounds=ROUNDS_AT_ONCE,
        rules=rules,
        eras=len(evidence.returns),
        effective_eras=evidence.effective_eras,
        models=suggestions,
        mean=evidence.mean_of(weights),
        spread=evidence.spread_of(weights),
        recipes=recipes,
        left_out=left_out,
    )


def _stake(total: Decimal, weight: float) -> Decimal:
    """Return a model's stake in one round, rounded down so that the total is never exceeded."""
    return (total / ROUNDS_AT_ONCE * Decimal(repr(weight))).quantize(_CENTS, ROUND_DOWN)


def _closest(correlation: Any, place: int, models: list[str]) -> tuple[str, float] | None:
    if len(models) < 2:
        return None
    others = [other for other in range(len(models)) if other != place]
    nearest = max(others, key=lambda other: float(correlation[place, other]))
    return models[nearest], float(correlation[place, nearest])


def _reason(labels: list[int], place: int) -> str:
    count, size = len(set(labels)), labels.count(labels[place])
    share = "the whole stake" if count == 1 else f"one of {count} equal shares"
    return share if size == 1 else f"{share}, split among {size} models that are one bet"
