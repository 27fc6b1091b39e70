"""The other participants, and the meta model that all of them make."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import requests

from numebot_dagster.practice.market.crowd import Crowd, map_by_stock
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import (
    EXAMPLE_MODEL,
    TOTAL_STAKE,
    Attendance,
    attendance,
    population,
    previous_opening,
    standing_of,
)
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.scoring.scores import contribution, gaussianised

if TYPE_CHECKING:
    from tests.practice.served_tournament import ServedTournament

MODEL, OTHER = "example_model", "lightgbm_model"
SATURDAY_ROUND = 1284
ROUNDS = [Round(number).opened for number in range(1280, 1480)]


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=0)


def test_there_are_all_kinds_of_participants() -> None:
    people = population(0)
    assert len(people) == 36
    assert len({person.name for person in people}) == 36
    assert sum(person.skill >= 0.6 and not person.copies for person in people) >= 10
    assert sum(person.skill < 0 for person in people) == 2
    assert Counter(person.copies for person in people if person.copies) == {
        EXAMPLE_MODEL: 3, "rival_01": 1, "rival_04": 1,
    }  # fmt: skip
    assert len({person.account for person in people}) == 32
    assert population(0) == people
    assert [person.skill for person in population(1)] == [person.skill for person in people]
    assert [person.stake for person in population(1)] != [person.stake for person in people]


@pytest.mark.parametrize("seed", range(8))
def test_stakes_have_a_heavy_tail(seed: int) -> None:
    stakes = sorted((float(person.stake) for person in population(seed)), reverse=True)
    assert sum(stakes) == pytest.approx(TOTAL_STAKE, abs=0.01)
    assert 660_000 <= TOTAL_STAKE <= 780_000  # by the payout factors of rounds 1163 and 1264
    of_a_round = sum(float(person.stake_of_a_round) for person in population(seed))
    assert of_a_round * 64 == pytest.approx(TOTAL_STAKE, rel=1e-4)
    assert stakes[0] > 5 * stakes[len(stakes) // 2]
    assert stakes[0] < 0.6 * TOTAL_STAKE
    assert sum(stakes[:4]) > 0.25 * TOTAL_STAKE
    assert stakes[-1] > 0


def test_attendance_is_as_frequent_as_said() -> None:
    for person in population(0):
        seen = Counter(attendance(0, day)[person.name] for day in ROUNDS)
        assert seen[Attendance.ON_TIME] / len(ROUNDS) == pytest.approx(person.on_time, abs=0.12)
        assert seen[Attendance.LATE] / len(ROUNDS) == pytest.approx(person.late, abs=0.12)
        if person.on_time in (0.0, 1.0):
            assert seen[Attendance.ON_TIME] == person.on_time * len(ROUNDS)


@pytest.mark.parametrize(
    ("opened", "before"),
    [
        (date(2026, 6, 2), date(2026, 5, 30)),
        (date(2026, 6, 3), date(2026, 6, 2)),
        (date(2026, 6, 6), date(2026, 6, 5)),
    ],
)
def test_the_round_before(opened: date, before: date) -> None:
    assert previous_opening(opened) == before


def test_a_late_file_is_carried_over(market: Market) -> None:
    """Whoever is always late is on time with the file of the round before."""
    always_late = next(person for person in population(0) if person.late == 1.0)
    day = date(2026, 6, 9)  # a Tuesday
    assert standing_of(0, always_late.name, day) == (Attendance.ON_TIME, date(2026, 6, 6))
    entry = next(
        played
        for played in Crowd(market).played(day)
        if played.participant.name == always_late.name
    )
    before = market.rival_predictions(date(2026, 6, 6), always_late.skill, always_late.number)
    expected = map_by_stock(before, market.stock_of(date(2026, 6, 6)), market.stock_of(day))
    np.testing.assert_array_equal(entry.predictions, expected)


def test_copies_and_fools(market: Market) -> None:
    day = date(2026, 6, 9)
    crowd = Crowd(market)
    played = {part.participant.name: part for part in crowd.played(day)}
    named = {part.participant.copies: part for part in played.values()}
    np.testing.assert_array_equal(named[EXAMPLE_MODEL].predictions, market.example_predictions(day))
    np.testing.assert_array_equal(named["rival_01"].predictions, played["rival_01"].predictions)
    fool = next(part for part in played.values() if part.participant.skill == -0.8)
    assert np.corrcoef(fool.predictions, crowd.meta_model(day))[0, 1] < -0.4


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_crowd_knows_more_than_almost_all_of_its_members(seed: int) -> None:
    market = Market(seed)
    crowd = Crowd(market)
    scores: dict[str, list[float]] = {}
    for day in (date(2026, 6, 2) + timedelta(weeks=week) for week in range(0, 60, 12)):
        target = market.realised_target(day, 60)
        played = {part.participant.name: part.predictions for part in crowd.played(day)}
        for name, values in {**played, "crowd": crowd.meta_model(day)}.items():
            scores.setdefault(name, []).append(np.corrcoef(values, target)[0, 1])
    means = {name: np.mean(values) for name, values in scores.items()}
    assert sum(mean < means["crowd"] for mean in means.values()) > 0.7 * len(means)


@pytest.mark.heavy
def test_a_few_have_lasting_skill_and_the_others_none(market: Market) -> None:
    """In MMC60, over 22 rounds that do not overlap."""
    crowd = Crowd(market)
    by_name: dict[str, list[float]] = {}
    for day in (date(2026, 6, 2) + timedelta(weeks=13 * quarter) for quarter in range(22)):
        played = crowd.played(day)
        target = market.realised_target(day, 60)[:, None].astype(float)
        predictions = gaussianised(np.stack([part.predictions for part in played], axis=1))
        mmc = contribution(predictions, gaussianised(crowd.meta_model(day)), target)[:, 0]
        for part, value in zip(played, mmc, strict=True):
            by_name.setdefault(part.participant.name, []).append(value)
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    skilled = [means.pop(person.name) for person in population(0) if person.edge]
    assert len(skilled) == 3
    assert 0.006 < np.mean(skilled) < 0.012
    assert min(skilled) > 0.003
    assert max(skilled) < 0.015
    assert abs(np.mean([*means.values()])) < 0.002
    assert max(means.values()) < max(skilled)


def test_the_meta_model_of_a_tournament(
    make_tournament: Callable[..., ServedTournament],
    connect: Callable[[ServedTournament], ServedTournament],
) -> None:
    """On time and staked files make it, as they were at the close; the file shows it."""
    tournament = connect(make_tournament(stakes={MODEL: "7000", OTHER: "3500"}))
    tournament.controls.advance("2026-06-06T12:00:01Z")
    tournament.upload(MODEL, tournament.predictions(SATURDAY_ROUND, 0).assign(prediction=noise))
    tournament.controls.advance("next-close")
    tournament.upload(OTHER, tournament.predictions(SATURDAY_ROUND, 1))  # late: not among them
    with pytest.raises(Exception, match="positions are fixed"):
        tournament.controls.set_position(MODEL, "1", SATURDAY_ROUND)
    tournament.controls.set_position(MODEL, "1")  # for later rounds
    tournament.controls.advance(days=1)
    url = tournament.post('{dataset(filename: "v5.3/meta_model.parquet")}', None)["data"]["dataset"]
    table = pd.read_parquet(io.BytesIO(requests.get(url, timeout=60).content))
    newest = table[table["era"] == table["era"].max()]["numerai_meta_model"]
    expected = tournament.meta_model(SATURDAY_ROUND)
    pd.testing.assert_series_equal(newest, expected, check_names=False, atol=1e-14)
    alone = pd.Series(tournament.crowd.meta_model(date(2026, 6, 6)), expected.index)
    assert 0.4 < newest.corr(alone) < 0.9  # the 7,000 NMR of noise of the user weigh in
    former = table[table["era"] == f"{int(table['era'].max()) - 1:04d}"]["numerai_meta_model"]
    assert np.array_equal(former, tournament.crowd.meta_model(date(2026, 5, 30)))
    scored_against_it(tournament, expected)


def noise(table: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(7).uniform(size=len(table))


def scored_against_it(tournament: ServedTournament, meta_model: pd.Series) -> None:
    from numerai_tools.scoring import correlation_contribution

    tournament.controls.advance("2026-06-12T12:00:00Z")  # day 1 of Saturday's round
    opened = Round(SATURDAY_ROUND).opened
    target = pd.Series(
        tournament.market.realised_target(opened, 1).astype(float), meta_model.index, name="t"
    )
    rows = tournament.rows(
        "SELECT models.name AS model, value FROM scores JOIN models ON models.id = model_id "
        "WHERE scores.name = 'mmc60' AND round = ? AND day = 1", SATURDAY_ROUND,
    )  # fmt: skip
    assert rows == []  # nobody has asked yet
    details = tournament.post(
        f"{{roundDetails(roundNumber: {SATURDAY_ROUND}, tournament: 8) "
        "{totalAtStake totalSubmitted totalStakes models {modelName mmc60 selectedStakeValue}}}"
    )["data"]["roundDetails"]
    by_name = {row["modelName"]: row for row in details["models"]}
    for played in tournament.crowd.played(opened):
        frame = pd.DataFrame({"p": played.predictions}, index=meta_model.index)
        score = correlation_contribution(frame, meta_model, target)["p"]
        assert by_name[played.participant.name]["mmc60"] == pytest.approx(score, abs=1e-12)
        on_time = played.attendance is Attendance.ON_TIME
        stake = played.participant.stake_of_a_round if on_time else Decimal(0)
        assert Decimal(by_name[played.participant.name]["selectedStakeValue"]) == stake
    assert Decimal(by_name[MODEL]["selectedStakeValue"]) == 7000
    assert Decimal(by_name[OTHER]["selectedStakeValue"]) == 0
    staked = [Decimal(row["selectedStakeValue"]) for row in details["models"]]
    assert details["totalAtStake"] == pytest.approx(float(sum(staked)))
    assert details["totalStakes"] == sum(stake > 0 for stake in staked)
    assert details["totalSubmitted"] == len(by_name) == len(tournament.crowd.played(opened)) + 4
