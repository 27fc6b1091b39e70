"""Compute what a round pays, by the rules that the round itself carries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import Round, ScoreConfig


def payout(round_: Round, scores: Mapping[str, float | Decimal], stake: Decimal) -> Decimal:
    """Return the NMR earned (positive) or burned (negative) by a stake at the given scores.

    payout = stake x clip(payout factor x sum of multiplier x score, -clip, +clip), summed over the
    round's payout scores (Numerai's documentation, "Payouts").

    Args:
        round_: with its score configurations.
        scores: by the `display_name` (else `name`) of the payout scores.
        stake: NMR at risk in this round.

    Raises:
        UnexpectedAnswer: naming what the round's configuration or the scores lack.
    """
    configs = [config for config in round_.score_configs if config.is_payout]
    if not configs:
        raise UnexpectedAnswer(f"round {round_.number} carries no payout score")
    total = sum((_term(round_, config, scores) for config in configs), start=Decimal(0))
    factor, clip = _payout_factor(round_, configs), _clip(round_, configs)
    return stake * max(-clip, min(clip, factor * total))


def payout_scores(round_: Round) -> tuple[str, ...]:
    """Return the names of the scores that this round pays for."""
    return tuple(
        config.display_name or config.name for config in round_.score_configs if config.is_payout
    )


def _term(round_: Round, config: ScoreConfig, scores: Mapping[str, float | Decimal]) -> Decimal:
    name = config.display_name or config.name
    if config.default_multiplier is None:
        raise UnexpectedAnswer(f"round {round_.number}: score {name} has no default multiplier")
    if name not in scores:
        raise UnexpectedAnswer(
            f"round {round_.number} pays for {name}, which is not among the scores given: "
            f"{', '.join(sorted(scores)) or 'none'}"
        )
    return _decimal(config.default_multiplier) * _decimal(scores[name])


def _payout_factor(round_: Round, configs: list[ScoreConfig]) -> Decimal:
    """Return the round's own factor; before it is set, the one that its payout scores agree on."""
    if round_.payout_factor is not None:
        return round_.payout_factor
    return _agreed(round_, "payout factor", [config.payout_factor for config in configs])


def _clip(round_: Round, configs: list[ScoreConfig]) -> Decimal:
    return _agreed(round_, "clip threshold", [config.clip_threshold for config in configs])


def _agreed(round_: Round, what: str, values: list[float | None]) -> Decimal:
    different = {value for value in values if value is not None}
    if len(different) != 1:
        listed = "none" if not different else ", ".join(str(value) for value in sorted(different))
        raise UnexpectedAnswer(
            f"round {round_.number}: its payout scores must agree on one {what}; found {listed}"
        )
    return _decimal(different.pop())


def _decimal(value: float | Decimal) -> Decimal:
    """Convert through the text, so that 0.1 is a tenth and not its binary neighbour."""
    return value if isinstance(value, Decimal) else Decimal(str(value))
