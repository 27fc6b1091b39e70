"""Score participants of the practice market by round and day, and others without any skill.

Rounds open on business days, and day 1 of each is the business day after its lag; what the practice
tournament publishes later, and what it rounds, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.overlapping_rounds import FIRST_DATE
from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import SMALL, Market
from numebot_dagster.practice.market.population import Attendance, population
from numebot_dagster.practice.scoring.scores import contribution, gaussianised

HORIZON = 60
_NOBODY = 1_000  # numbers from which on no participant has an opinion


@dataclass(frozen=True)
class PracticeScores:
    """MMC60 on the practice market.

    Attributes:
        participants: (P, rounds, 60) of those who play every round.
        without_skill: (models, rounds, 60) of predictions that are opinions only.
    """

    participants: np.ndarray
    without_skill: np.ndarray


def practice_scores(rounds: int, models: int, seed: int = 0) -> PracticeScores:
    """Return the scores of so many rounds by the last date, and of so many models without skill."""
    market = Market(seed, SMALL)
    crowd = Crowd(market)
    regular = [person.name for person in population(seed) if person.on_time == 1]
    scores = np.full((len(regular) + models, rounds, HORIZON), np.nan)
    for row in range(rounds):
        opened = np.busday_offset(FIRST_DATE, row, roll="forward").astype(object)
        days = min(HORIZON, rounds - row)
        played = {part.participant.name: part for part in crowd.played(opened)}
        assert all(played[name].attendance is Attendance.ON_TIME for name in regular)
        columns = [played[name].predictions for name in regular]
        columns += [
            market.rival_predictions(opened, 0.0, _NOBODY + number) for number in range(models)
        ]
        targets = [market.realised_target(opened, day) for day in range(1, days + 1)]
        predictions = gaussianised(np.column_stack(columns))
        meta_model = gaussianised(crowd.meta_model(opened))
        scores[:, row, :days] = contribution(predictions, meta_model, np.column_stack(targets))
    return PracticeScores(scores[: len(regular)], scores[len(regular) :])
