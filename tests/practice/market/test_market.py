"""The practice market is reproducible, causal and as noisy as the real one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import PRACTICE_START, SMALL, Market
from numebot_dagster.practice.market.targets import bucket

TUESDAY = date(2026, 6, 2)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=0)


def by_stock(market: Market, opened: date, values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=market.stock_of(opened))


def correlation(first: pd.Series, second: pd.Series) -> float:
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    return float(np.corrcoef(both.to_numpy().T)[0, 1])


# Reproducibility


def test_the_order_of_asking_changes_nothing() -> None:
    days = [date(2024, 3, 2), TUESDAY, date(2026, 6, 3), date(2027, 1, 16)]
    forward, backward = Market(seed=5), Market(seed=5)

    def everything(market: Market, opened: date) -> list[np.ndarray]:
        return [
            market.live_features(opened),
            market.realised_target(opened, 60),
            market.live_ids(opened),
            market.stock_of(opened),
            Crowd(market).meta_model(opened),
            market.rival_predictions(opened, 0.3, 7),
            *market.benchmarks(opened).values(),
        ]

    first = {opened: everything(forward, opened) for opened in days}
    second = {opened: everything(backward, opened) for opened in reversed(days)}
    for opened in days:
        for array, other in zip(first[opened], second[opened], strict=True):
            np.testing.assert_array_equal(array, other)


def test_threads_get_what_one_caller_gets() -> None:
    days = [TUESDAY + k * WEEK for k in range(8)]
    alone, shared = Market(seed=1), Market(seed=1)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda day: shared.realised_target(day, 60), days))
    for day, target in zip(days, together, strict=True):
        np.testing.assert_array_equal(target, alone.realised_target(day, 60))


def test_another_seed_is_another_market(market: Market) -> None:
    other = Market(seed=1)
    assert set(other.live_ids(TUESDAY)).isdisjoint(market.live_ids(TUESDAY))
    assert set(other.feature_names) != set(market.feature_names)


# Calendar and universe


@pytest.mark.parametrize(
    ("today", "era"),
    [
        (date(2026, 5, 31), 155),  # Sunday: the round of Saturday 30 May is still open
        (date(2026, 6, 1), 156),
        (date(2026, 6, 6), 156),
        (date(2026, 6, 7), 156),
        (date(2026, 6, 8), 157),
        (date(2027, 6, 7), 209),
    ],
)
def test_validation_grows_by_an_era_each_monday(market: Market, today: date, era: int) -> None:
    assert market.last_validation_era(today) == era


def test_eras_are_saturdays(market: Market) -> None:
    assert market.saturday_of(1) == date(2023, 6, 10)
    assert market.saturday_of(156) == date(2026, 5, 30)
    assert market.era_of(date(2026, 5, 30)) == 156


def test_nothing_comes_before_the_first_era(market: Market) -> None:
    assert len(market.live_ids(date(2023, 6, 10))) > 2_000
    with pytest.raises(ValueError, match=r"begins on 2023-06-10 and 2023-06-09 is before it"):
        market.live_ids(date(2023, 6, 9))


def test_years_ahead_work(market: Market) -> None:
    opened = date(2033, 11, 5)
    assert market.live_features(opened).shape == (len(market.live_ids(opened)), SMALL.features)


def test_the_universe_grows_and_then_turns_over_slowly(market: Market) -> None:
    counts = [len(market.live_ids(market.saturday_of(era))) for era in (1, 36, 73, 156)]
    assert counts == sorted(counts)
    assert counts[0] == pytest.approx(0.45 * SMALL.stocks, rel=0.1)
    assert counts[3] == pytest.approx(5_000, rel=0.02)
    today, tomorrow, next_year = (
        set(market.stock_of(TUESDAY + timedelta(days=days))) for days in (0, 1, 364)
    )
    assert len(today & tomorrow) / len(today) > 0.995
    assert 0.8 < len(today & next_year) / len(today) < 0.95


def test_ids_are_new_in_every_round_and_hide_the_stock(market: Market) -> None:
    tuesday, wednesday = market.live_ids(TUESDAY), market.live_ids(date(2026, 6, 3))
    assert all(re.fullmatch(r"n[0-9a-f]{15}", name) for name in tuesday)
    assert len(set(tuesday)) == len(tuesday)
    assert list(tuesday) == sorted(tuesday)
    assert set(tuesday).isdisjoint(wednesday)
    position = by_stock(market, TUESDAY, np.arange(len(tuesday)))
    later = by_stock(market, date(2026, 6, 3), np.arange(len(wednesday)))
    assert abs(correlation(position, later)) < 0.05
    assert len(set(market.stock_of(TUESDAY))) == len(tuesday)


# Features


def test_features_fill_five_equal_bins(market: Market) -> None:
    features = market.live_features(TUESDAY)
    assert features.dtype == np.int8
    shares = np.array([(features == value).mean(axis=0) for value in range(5)])
    assert shares.sum(axis=0) == pytest.approx(np.ones(SMALL.features))
    assert np.abs(shares - 0.2).max() < 0.03


def test_features_last_for_weeks_to_months(market: Market) -> None:
    first = pd.DataFrame(market.live_features(TUESDAY), index=market.stock_of(TUESDAY))

    def kept(weeks: int) -> pd.Series:
        later = TUESDAY + weeks * WEEK
        return first.corrwith(
            pd.DataFrame(market.live_features(later), index=market.stock_of(later))
        )

    assert kept(1).min() > 0.7
    half_lives = pd.DataFrame({weeks: kept(weeks) for weeks in (2, 4, 13, 26, 60)})
    assert half_lives.mean().is_monotonic_decreasing
    assert half_lives[2].min() > 0.5
    assert half_lives[60].abs().max() < 0.35
    assert half_lives[13].between(0.3, 0.9).mean() > 0.5


def test_some_features_are_missing_in_early_eras(market: Market) -> None:
    def constant(era: int) -> np.ndarray:
        features = market.live_features(market.saturday_of(era))
        return (features == 2).all(axis=0)

    early = constant(SMALL.missing_eras)
    assert early.sum() == 11  # 12 % of 84
    np.testing.assert_array_equal(constant(1), early)
    assert not constant(SMALL.missing_eras + 1).any()


def test_small_has_its_real_size_and_others_their_proportions(market: Market) -> None:
    content = market.features_json()
    sets = {name: set(members) for name, members in content["feature_sets"].items()}
    assert {name: len(members) for name, members in sets.items()} == {
        "small": 42,
        "medium": 52,
        "all": 84,
        "v2_equivalent_features": 7,
        "v3_equivalent_features": 24,
        "fncv3_features": 9,
        "intelligence": 3,
        "charisma": 7,
        "strength": 3,
        "dexterity": 3,
        "constitution": 8,
        "wisdom": 3,
        "agility": 3,
        "serenity": 3,
        "sunshine": 8,
        "rain": 16,
        "midnight": 6,
        "faith": 9,
        "quantum": 19,
    }
    assert sets["small"] < sets["medium"] < sets["all"]
    assert sets["v2_equivalent_features"] < sets["v3_equivalent_features"] < sets["all"]
    assert sets["fncv3_features"] < sets["v3_equivalent_features"]
    assert set.union(*list(sets.values())[6:]) == sets["all"] == set(market.feature_names)
    assert all(sets["quantum"].isdisjoint(sets[n]) for n in sets if n not in ("all", "quantum"))
    assert all(len(sets["small"] & sets[name]) >= 2 for name in [*sets][6:-1])
    pattern = r"feature_[a-z]+_[a-z]+_[a-z]+"
    assert all(re.fullmatch(pattern, name) for name in market.feature_names)
    assert content["targets"][0] == "target"
    assert len(set(content["targets"])) == 41
    assert {"target_ender_60", "target_agnes_20", "target_xerxes_60"} < set(content["targets"])


# Returns and targets


@given(st.integers(20, 400), st.randoms(use_true_random=False))
def test_buckets_have_their_shares_and_keep_the_order(rows: int, random: Random) -> None:
    values = np.arange(rows, dtype=np.float32)
    order = list(range(rows))
    random.shuffle(order)
    buckets = bucket(values[order])
    assert buckets.dtype == np.float32
    np.testing.assert_array_equal(np.sort(buckets), bucket(values)[np.argsort(values)])
    np.testing.assert_array_equal(buckets, bucket(values)[order])
    counts = [(buckets == value).sum() for value in (0, 0.25, 0.5, 0.75, 1)]
    expected = np.array([0.05, 0.20, 0.50, 0.20, 0.05]) * rows
    assert np.abs(counts - expected).max() <= 1


def test_overlapping_rounds_share_their_returns(market: Market) -> None:
    wednesday = date(2026, 6, 3)
    first_day = by_stock(market, TUESDAY, market.realised_return(TUESDAY, 1))
    whole = by_stock(market, TUESDAY, market.realised_return(TUESDAY, 20))
    rest = by_stock(market, wednesday, market.realised_return(wednesday, 19))
    difference = (first_day + rest - whole).dropna()
    assert len(difference) > 4_900
    assert difference.abs().max() < 1e-4  # float32 sums of about 10


def test_friday_saturday_and_tuesday_are_days_apart(market: Market) -> None:
    friday, saturday, tuesday = date(2026, 6, 5), date(2026, 6, 6), date(2026, 6, 9)
    two_days = by_stock(market, friday, market.realised_return(friday, 2))
    one_day = by_stock(market, saturday, market.realised_return(saturday, 1))
    first_day = by_stock(market, friday, market.realised_return(friday, 1))
    assert (two_days - first_day - one_day).dropna().abs().max() < 1e-4
    saturdays = by_stock(market, saturday, market.realised_return(saturday, 2))
    tuesdays = by_stock(market, tuesday, market.realised_return(tuesday, 1))
    assert (saturdays - one_day - tuesdays).dropna().abs().max() < 1e-4


def test_targets_relate_to_each_other_as_in_reality(market: Market) -> None:
    eras = range(80, 140, 10)
    correlations: dict[str, list[float]] = {}
    for era in eras:
        saturday = market.saturday_of(era)
        targets = pd.DataFrame({**market.named_targets(saturday, 20)})
        targets = targets.assign(**market.named_targets(saturday, 60))
        assert targets.shape[1] == 40
        np.testing.assert_array_equal(
            targets["target_ender_60"], market.realised_target(saturday, 60)
        )
        for name, other in [
            ("target_ender_20", "target_ender_60"),
            ("target_jasper_20", "target_ender_20"),
            ("target_teager2b_20", "target_ender_20"),
            ("target_jasper_60", "target_ender_60"),
            ("target_alpha_20", "target_alpha_60"),
        ]:
            correlations.setdefault(f"{name} {other}", []).append(
                correlation(targets[name], targets[other])
            )
        missing = targets.isna().mean()
        assert set(missing[missing > 0].index) == {"target_jeremy_20", "target_jeremy_60"}
        assert missing["target_jeremy_20"] == pytest.approx(0.005, abs=0.004)
        assert missing["target_jeremy_60"] == pytest.approx(0.013, abs=0.006)
    assert {pair: float(np.mean(values)) for pair, values in correlations.items()} == {
        "target_ender_20 target_ender_60": pytest.approx(0.46, abs=0.02),
        "target_jasper_20 target_ender_20": pytest.approx(0.80, abs=0.02),
        "target_teager2b_20 target_ender_20": pytest.approx(0.79, abs=0.02),
        "target_jasper_60 target_ender_60": pytest.approx(0.80, abs=0.02),
        "target_alpha_20 target_alpha_60": pytest.approx(0.50, abs=0.05),
    }


def test_a_return_takes_a_day(market: Market) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        market.realised_target(TUESDAY, 0)


# Participants


def test_predictions_are_evenly_spread(market: Market) -> None:
    rows = len(market.live_ids(TUESDAY))
    for predictions in (
        market.example_predictions(TUESDAY),
        market.rival_predictions(TUESDAY, 0.0, 1),
    ):
        np.testing.assert_allclose(np.sort(predictions), (np.arange(rows) + 0.5) / rows)
    assert set(market.benchmarks(TUESDAY)) == {"v53_lgbm_ender20", "v53_lgbm_ender60"}
    np.testing.assert_array_equal(
        market.example_predictions(TUESDAY), market.benchmarks(TUESDAY)["v53_lgbm_ender60"]
    )


@pytest.mark.parametrize(("skill", "agreement"), [(0.0, 0.0), (0.5, 0.45), (1.0, 0.9)])
def test_skill_is_knowledge_shared_with_the_crowd(
    market: Market, skill: float, agreement: float
) -> None:
    crowd = Crowd(market).meta_model(TUESDAY)
    rival = market.rival_predictions(TUESDAY, skill, 3)
    assert np.corrcoef(rival, crowd)[0, 1] == pytest.approx(agreement, abs=0.04)
    other = market.rival_predictions(TUESDAY, skill, 4)
    assert np.corrcoef(rival, other)[0, 1] == pytest.approx((0.95 * skill) ** 2, abs=0.04)


def test_a_skill_beyond_the_crowd_is_refused(market: Market) -> None:
    with pytest.raises(ValueError, match="between 0 and 1 in all"):
        market.rival_predictions(TUESDAY, 1.1, 0)


def test_the_default_start_is_a_monday() -> None:
    assert PRACTICE_START.weekday() == 0
