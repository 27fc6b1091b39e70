"""Two rounds followed until the first resolves: what was collected, drawn and paid."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import numerapi
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numerai_tools import scoring
from numerapi import base_api
from scipy import stats

from numebot_dagster.defs.performance import assets
from numebot_dagster.defs.performance.jobs import collecting_runs
from numebot_dagster.lake import catalog, parquet, tables
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.health import standing_checks
from numebot_dagster.operations.performance import collecting, digest, due
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.rounds import details, live_data
from numebot_dagster.operations.rounds.playing import Ending, Play, play
from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import Attendance
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.reporting.embed import INLINE_LIMIT
from numebot_dagster.reporting.numbers import plotted, score
from numebot_dagster.reporting.theme import LIGHT
from tests.support.digits import assert_few_digits
from tests.support.payouts import payout, payout_scores
from tests.support.pictures import Drawing

MODELS = ("steady-1", "second")
STAKES = {"steady-1": Decimal(1), "second": Decimal("2.5")}


@dataclass(frozen=True)
class Season:
    world: Any
    rounds: list[int]
    days: list[date]
    results: list[dg.ExecuteInProcessResult]
    instance: dg.DagsterInstance

    def query(self, sql, *values):
        return catalog.query(self.world.platform.lake, sql, values)

    def metadata(self, name):
        for result in self.results:
            for event in result.get_asset_materialization_events():
                if event.asset_key.to_user_string() == name:
                    return {
                        key: value.value for key, value in event.materialization.metadata.items()
                    }
        raise KeyError(name)


@pytest.fixture(scope="module")
def season(make_world):
    world = make_world()
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        world.enter(patch)
        rounds = []
        for _ in range(2):
            number = world.open_round()
            platform = world.platform
            details.fetch_details(platform, number)
            live_data.fetch_live(platform, number, platform.registry.enabled)
            played = play(platform, Play(number, platform.registry.enabled))
            assert {model.ending for model in played} == {Ending.CONFIRMED}
            rounds.append(number)
            instance.add_dynamic_partitions("rounds", [str(number)])
        world.practice.advance(days=10)
        collecting.collect_payouts(
            world.platform, collecting.today(world.platform)
        )  # as they were when nothing was settled
        world.practice.advance("resolve")
        days = collecting.days_to_collect(world.platform)
        job = world.definitions().resolve_job_def("performance_job")
        results = [
            job.execute_in_process(instance=instance, tags=run.tags, asset_selection=run.selection)
            for run in collecting_runs(days, world.platform.registry)
        ]
        assert all(result.success for result in results)
        yield Season(world, rounds, days, results, instance)


@pytest.fixture
def world(season, enter):
    return enter(season.world)


@pytest.fixture
def plain(world, monkeypatch):
    """Return numerapi as released, asking the same tournament."""
    monkeypatch.setattr(base_api, "API_TOURNAMENT_URL", world.practice.url)
    key = world.practice.credentials
    return numerapi.NumerAPI(key.public_id, key.secret_key, verbosity="CRITICAL")


def today(season):
    return season.days[-1]


def test_every_day_is_filled_by_two_runs_that_plan_little(season, world):
    first = date.fromisoformat("2026-06-02")
    assert season.days[0] == first
    assert len(season.days) == (today(season) - first).days + 1 > 80
    assert world.platform.lake.stored_days("scores") == season.days
    days = {day.isoformat() for day in season.days}
    expected = {"scores": days, "leaderboard": {max(days)}, "payouts": {max(days)}}
    for name, partitions in expected.items():
        key = dg.AssetKey(["performance", name])
        assert season.instance.get_materialized_partitions(key) == partitions, name
    planned = [
        season.instance.get_records_for_run(
            result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        ).records
        for result in season.results
    ]
    # A day of scores each, and each other asset once: not every asset once a day.
    assert [len(events) for events in planned] == [len(days), 5]


def test_scores_are_those_that_numerai_tells(season, plain):
    ids = plain.get_models()
    for model in MODELS:
        published = {
            (row["roundNumber"], row["displayName"], row["day"]): row["value"]
            for row in plain.submission_scores(ids[model])
        }
        stored = season.query("select round, metric, day, value from scores where model = ?", model)
        in_lake = {(number, metric, day): value for number, metric, day, value in stored.rows()}
        assert in_lake == published
        assert len(in_lake) == len(stored)
        assert {number for number, *_ in in_lake} == set(season.rounds)


def test_each_score_lies_on_the_day_on_which_it_was_published(season):
    for number in season.rounds:
        rows = season.query(
            "select distinct day, date from scores where round = ? order by day", number
        )
        expected = [(day, Round(number).publication(day).date()) for day, _ in rows.rows()]
        assert rows.rows() == expected
    assert season.query("select count(*) from scores where dayofweek(date) in (0, 1)").item() == 0


def meta_model(crowd, uploads, index):
    """Return stake-weighted ranks of all who were on time, by numerai-tools."""
    votes = {model: frame["prediction"] for model, frame in uploads.items()}
    stakes = {model: float(STAKES[model]) for model in uploads}
    for played in crowd:
        if played.attendance is Attendance.ON_TIME:
            votes[played.participant.name] = pd.Series(played.predictions, index=index)
            stakes[played.participant.name] = float(played.participant.stake_of_a_round)
    ranks = scoring.tie_kept_rank(pd.DataFrame(votes, index=index))
    return scoring.stake_weight(ranks, pd.Series(stakes)).rename("meta")


def test_final_scores_by_numerai_tools_from_the_market_and_the_uploads(season, world):
    """Neither the server's scoring nor ours is asked."""
    number, market = season.rounds[0], Market()
    opened = Round(number).opened
    index = pd.Index(market.live_ids(opened), dtype=str)
    realised = market.realised_target(opened, 60).astype(float)
    target = pd.Series(realised, index=index, name="target")
    uploads = {}
    for model in MODELS:
        [row] = world.rows(
            "SELECT s.filename FROM submissions s JOIN models m ON m.id = s.model_id "
            "WHERE m.name = ? AND s.round = ?",
            model, number,
        )  # fmt: skip
        upload = world.folder / "tournament" / "uploads" / row["filename"]
        uploads[model] = pd.read_csv(upload, index_col="id")[["prediction"]]
    meta = meta_model(Crowd(market).played(opened), uploads, index)
    for model, predictions in uploads.items():
        final = season.query(
            "select metric, value from scores where model = ? and round = ? and resolved",
            model,
            number,
        )
        means = dict(final.rows())
        corr = scoring.numerai_corr(predictions, target)["prediction"]
        mmc = scoring.correlation_contribution(predictions, meta, target)["prediction"]
        assert means["corr60"] == pytest.approx(corr, abs=1e-10)
        assert means["mmc60"] == pytest.approx(mmc, abs=1e-10)


def test_payouts_follow_from_the_rounds_own_rules(season, world):
    number = season.rounds[0]
    rules = world.platform.client.enrichment.round_details(number)
    names = payout_scores(rules)
    stored = season.query(
        "select model, payout_nmr, settled from payouts where round = ? and date = ?",
        number,
        today(season),
    )
    amounts = {model: (nmr, settled) for model, nmr, settled in stored.rows()}
    assert set(amounts) == set(MODELS)
    for model in MODELS:
        final = dict(
            season.query(
                "select metric, value from scores where model = ? and round = ? and resolved",
                model,
                number,
            ).rows()
        )
        expected = payout(rules, {name: final[name] for name in names}, STAKES[model])
        by_hand = STAKES[model] * Decimal(3 * final["corr60"] + 15 * final["mmc60"])
        assert expected == pytest.approx(by_hand, abs=Decimal("1e-12"))
        assert amounts[model] == (pytest.approx(float(expected), abs=1e-9), True)


def test_pending_payouts_follow_from_the_newest_scores(season, world):
    sql = "select model, round, payout_nmr, date from payouts where not settled"
    pending = season.query(sql).rows()
    assert {(model, number) for model, number, *_ in pending} == {
        (model, number) for model in MODELS for number in season.rounds
    }
    for model, number, nmr, day in pending:
        newest = dict(
            season.query(
                "select metric, arg_max(value, day) from scores "
                "where model = ? and round = ? and date <= ? group by metric",
                model,
                number,
                day,
            ).rows()
        )
        by_hand = float(STAKES[model]) * (3 * newest["corr60"] + 15 * newest["mmc60"])
        assert nmr == pytest.approx(by_hand, abs=1e-9)


def test_the_leaderboard_is_todays_only(season, world):
    assert world.platform.lake.stored_days("leaderboard") == [today(season)]
    own = season.query("select model, nmr_staked from leaderboard where own order by model")
    assert set(own["model"]) == set(MODELS)
    assert season.query("select count(*) from leaderboard where not own").item() >= 12


@pytest.mark.parametrize("name", ["leaderboard", "payouts"])
def test_a_past_day_says_that_it_was_not_watched(season, world, instance, name):
    job = world.definitions().resolve_job_def("performance_job")
    key = dg.AssetKey(["performance", name])
    past = today(season) - timedelta(days=3)
    before = world.platform.lake.stored_days(name)
    result = job.execute_in_process(
        instance=instance, partition_key=past.isoformat(), asset_selection=[key]
    )
    [event] = result.get_asset_materialization_events()
    assert "No run read the " in event.materialization.metadata["empty"].value
    assert world.platform.lake.stored_days(name) == before


@pytest.mark.parametrize("name", ["leaderboard", "payouts"])
def test_a_wait_that_passes_midnight_leaves_the_day_empty(
    season, world, instance, name, monkeypatch
):
    """The day is that of the reading, not that of the beginning of the wait."""
    now = [today(season)]

    @contextmanager
    def late_turn(*_):
        now[0] += timedelta(days=1)
        yield

    monkeypatch.setattr(assets, "turn", late_turn)
    monkeypatch.setattr(collecting, "today", lambda _: now[0])
    result = (
        world.definitions()
        .resolve_job_def("performance_job")
        .execute_in_process(
            instance=instance,
            partition_key=today(season).isoformat(),
            asset_selection=[dg.AssetKey(["performance", name])],
        )
    )
    [event] = result.get_asset_materialization_events()
    assert "No run read the " in event.materialization.metadata["empty"].value
    assert world.platform.lake.stored_days(name)[-1] == today(season)


def test_the_days_that_nobody_watched_are_counted(season, world, instance):
    lake, now = world.platform.lake, today(season)
    earlier = lake.day_file("leaderboard", now - timedelta(days=5))
    parquet.write(earlier, parquet.read(lake.day_file("leaderboard", now)))
    try:
        result = (
            world.definitions()
            .resolve_job_def("performance_job")
            .execute_in_process(
                instance=instance,
                partition_key=now.isoformat(),
                asset_selection=[dg.AssetKey(["performance", "leaderboard"])],
            )
        )
    finally:
        shutil.rmtree(earlier.parent)
    [event] = result.get_asset_materialization_events()
    assert event.materialization.metadata["days_not_watched"].value == 4


def collected(platform, monkeypatch, days):
    """Return the numbers of scores by day, and of how many rounds each request asked for them."""
    asked, query = [], Transport.query

    def counted(self, text, variables=None, **more):
        if "submissionScores" in text:
            asked.append(variables["lastNRounds"])
        return query(self, text, variables, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Transport, "query", counted)
        return collecting.collect_scores(platform, days), asked


def test_collecting_again_changes_nothing_and_asks_once_a_model(season, world, monkeypatch):
    before = season.query("from scores order by all")
    counts, asked = collected(world.platform, monkeypatch, season.days)
    assert season.query("from scores order by all").equals(before)
    assert sum(counts.values()) == before.height
    assert asked == [collecting.ROUNDS_IN_SCORING + len(season.days) - 1] * len(MODELS)


def test_days_that_nobody_watched_are_found(season, world):
    """A single later day must not hide the gap before it."""
    platform = world.platform
    assert collecting.days_to_collect(platform) == [today(season)]
    gap = season.days[40]
    file = platform.lake.day_file("scores", gap)
    content = file.read_bytes()
    file.unlink()
    try:
        assert collecting.days_to_collect(platform) == season.days[40:]
        assert collecting.collect_scores(platform, [gap])
        assert file.read_bytes() == content
    finally:
        if not file.exists():
            file.write_bytes(content)


def test_a_day_of_the_future_is_not_looked_at(season, world):
    tomorrow = today(season) + timedelta(days=1)
    assert collecting.collect_scores(world.platform, [tomorrow]) == {}
    assert not world.platform.lake.day_file("scores", tomorrow).exists()


def test_the_overview_has_its_charts_and_numbers(season, world):
    shown = season.metadata("performance/overview")
    for name in ("corr_by_scoring_day", "final_corr_by_round", "mean_final_corr"):
        drawn = Drawing(world.platform.lake.figure(f"{name}.svg").read_text())
        assert drawn.size == (700, 280)
        assert all(drawn.colours[colour] > 0 for colour in LIGHT.lines[:2])
        assert f"](/numebot/figures/{name}.svg?v=" in shown[name]
        assert len(shown[name]) < INLINE_LIMIT
    assert (shown["submissions"], shown["confirmed"], shown["resolved_submissions"]) == (4, 4, 2)
    for name in MODELS:
        assert name in shown["rounds"]
        [row] = [line for line in shown["models"].splitlines() if f" {name} |" in line]
        sql = (
            "select avg(final) from (select arg_max(value, day) as final from scores "
            "where metric = 'corr60' and resolved and model = ? group by round)"
        )
        assert f" {season.query(sql, name).item():.4f} |" in row
        assert " 1.0 |" in row  # independent rounds
    assert world.platform.lake.catalog_file.is_file()


def test_a_board_that_cannot_be_written_costs_neither_digest_nor_check(season, world, monkeypatch):
    sent = []

    def fail(_platform):
        raise ValueError("no such rate")

    monkeypatch.setattr(board, "write", fail)
    monkeypatch.setattr(outbox, "send", lambda _platform, *alerts: sent.extend(alerts))
    result = (
        world.definitions()
        .resolve_job_def("performance_job")
        .execute_in_process(
            instance=season.instance,
            asset_selection=[dg.AssetKey(["performance", "overview"])],
            raise_on_error=False,
        )
    )
    assert not result.success
    assert sent
    assert [check.check_name for check in result.get_asset_check_evaluations()] == [
        "everything_confirmed"
    ]


def test_the_columns_of_the_dashboard_lead_back_to_those_of_the_scores(season):
    shown = season.metadata("performance/overview")
    columns = [column.name for column in shown["dagster/column_schema"].columns]
    assert [name.replace("_", " ").lower() for name in columns] == [
        heading.strip().lower() for heading in shown["models"].splitlines()[0].split("|")[1:-1]
    ]
    lineage = shown["dagster/column_lineage"].deps_by_column
    assert set(lineage) == set(columns)
    promised = {
        "performance/scores": tables.SCORES.columns,
        "performance/payouts": tables.PAYOUTS.columns,
    }
    for column, sources in lineage.items():
        assert sources, column
        for source in sources:
            assert source.column_name in promised[source.asset_key.to_user_string()], column
    assert ("performance/scores", "value") in {
        (source.asset_key.to_user_string(), source.column_name) for source in lineage["mean_corr"]
    }


def test_each_day_says_where_its_scores_are_and_how_many(season, world):
    for record in season.instance.fetch_materializations(
        dg.AssetKey(["performance", "scores"]), limit=len(season.days)
    ).records:
        shown = {name: value.value for name, value in record.asset_materialization.metadata.items()}
        day = date.fromisoformat(record.partition_key)
        count = season.query("select count(*) from scores where date = ?", day).item()
        assert shown == {
            "dagster/partition_row_count": count,
            "dagster/table_name": "scores",
            "dagster/uri": world.platform.lake.day_file("scores", day).as_uri(),
        }


def test_scores_and_confirmations_are_checked_where_they_are_read(season):
    verdicts = {
        check.check_name: (check.passed, check.description)
        for result in season.results
        for check in result.get_asset_check_evaluations()
    }
    day = f"{today(season):%a %d %b}"
    assert verdicts == {
        "scores_arrived": (True, f"scores of {day} are stored of 4 submissions in scoring"),
        "everything_confirmed": (True, f"round {season.rounds[-1]}: 2 models confirmed"),
    }
    for result in season.results:
        assert_few_digits(result)


def test_missing_scores_are_named(season, world):
    lake = world.platform.lake
    now = datetime.combine(today(season), due.READ_AT[0], UTC)
    file = lake.day_file("scores", today(season))
    whole = parquet.read(file)
    try:
        parquet.write(file, whole.filter(pl.col("model") != "second"))
        gate = standing_checks.scores_arrived(world.platform, now)
    finally:
        parquet.write(file, whole)
    assert not gate.passed
    assert "are missing of 2 of 4 submissions in scoring: second, rounds " in gate.text
    assert standing_checks.scores_arrived(world.platform, now).passed
    years_later = standing_checks.scores_arrived(world.platform, now + timedelta(days=800))
    assert years_later.text.endswith("are stored of 0 submissions in scoring")


def test_the_newest_scores_are_told_once(season, world, receiver, monkeypatch):
    [alert] = season.query("from alerts where kind = 'scores-published'").to_dicts()
    newest = season.query("select max(date) from scores where value is not null").item()
    assert alert["subject"] == str(newest)
    rows = season.query("from scores where model = 'second' and date = ?", newest)
    mean, final = (
        {
            metric: score(values.filter(pl.col("metric") == metric)["value"].mean())
            for metric in ("corr60", "mmc60")
        }
        for values in (rows, rows.filter("resolved"))
    )
    [line] = [line for line in alert["text"].splitlines() if line.startswith("- second: ")]
    assert line == (
        f"- second: corr60 {mean['corr60']}, mmc60 {mean['mmc60']} over 2 rounds; "
        f"final of 1 round: corr60 {final['corr60']}, mmc60 {final['mmc60']}"
    )
    monkeypatch.setenv("NUMEBOT_NOTIFY_URLS", receiver.url)
    outbox.send(world.platform, *digest.newest_scores(world.platform))
    assert alert["title"] not in receiver.titles  # it was raised when nobody was there to hear it


def test_each_model_has_its_history(season):
    for model in ("steady_1", "second"):
        shown = season.metadata(f"models/{model}/performance")
        assert "data:image/svg+xml;base64," in shown["corr_by_round"]
        assert len(shown["corr_by_round"]) < 1000  # longer ones are hidden behind a link
        rounds = [record.data for record in shown["newest_rounds"].records]
        assert [row["round"] for row in rounds] == season.rounds[::-1]
        assert all(0 <= row["percentile"] <= 100 for row in rounds)
        numbers = {key: value for key, value in shown.items() if isinstance(value, int | float)}
        assert len(numbers) >= 3
        assert all(np.isfinite(value) for value in numbers.values())


def test_scores_are_plotted_by_round(season):
    """As materialisations of partitions, because those are what Dagster's plots draw."""
    key = dg.AssetKey(["models", "second", "scores"])
    by_round: dict[str, dict[str, float]] = {}
    for record in season.instance.fetch_materializations(key, limit=1000).records:  # newest first
        values = {
            name: value.value for name, value in record.asset_materialization.metadata.items()
        }
        by_round.setdefault(record.partition_key, values)
    assert set(by_round) == {str(number) for number in season.rounds}
    final = dict(
        season.query(
            "select metric, value from scores where model = 'second' and round = ? and resolved",
            season.rounds[0],
        ).rows()
    )
    shown = by_round[str(season.rounds[0])]
    assert shown["corr60"] == plotted(final["corr60"])
    assert shown["scoring_day"] == 60


def test_the_views_promise_holds(season):
    sql = "select count(*) from submissions where outcome = 'on_time' and state = 'confirmed'"
    assert season.query(sql).item() == len(MODELS) * len(season.rounds)
    assert isinstance(season.query("from scores"), pl.DataFrame)


def test_resolved_rounds_are_not_read_again(season, world, monkeypatch):
    """However many days are read: of rounds, only those that may have scores on them.

    The last score of the second round, of Saturday, becomes final on Monday.
    """
    _, second = season.rounds
    platform, practice = world.platform, world.practice
    sql = "select distinct resolved from scores where round = ? and day = 60"
    saturday = today(season) + timedelta(days=1)
    for weekday, is_final in (("Saturday", False), ("Sunday", False), ("Monday", True)):
        practice.advance(days=1)
        days = collecting.days_to_collect(platform)
        assert f"{days[-1]:%A}" == weekday
        assert (saturday in days) is (weekday != "Monday")
        newest = practice.state()["newest_round"]
        _, asked = collected(platform, monkeypatch, days)
        assert asked == [newest - second + 1] * len(MODELS), weekday
        assert season.query(sql, second).to_series().to_list() == [is_final]
    practice.advance(days=1)
    newest = practice.state()["newest_round"]
    _, asked = collected(platform, monkeypatch, collecting.days_to_collect(platform))
    assert asked == [newest - second] * len(MODELS)


@dataclass(frozen=True)
class Told:
    """What the page of a model should say of one score, by the tournament's own state."""

    values: dict[tuple[int, int], float]  # by round and day

    @property
    def pieces(self):
        """By date what a day added to sqrt(day) * score, as the mean of the rounds that ran."""
        first = min(number for number, _ in self.values)
        by_date = {}
        for (number, day), value in self.values.items():
            before = self.values.get((number, day - 1), 0.0)
            piece = day**0.5 * value - (day - 1) ** 0.5 * before
            by_date.setdefault(number - first + day, []).append(piece)  # one round a day opened
        return np.array([np.mean(by_date[place]) for place in sorted(by_date)])


def truth_of_tournament(season, world, model, metric):
    """Return the scores up to the day on which the page was written: others follow later."""
    rows = world.rows(
        "SELECT s.round, s.day, s.value FROM scores s JOIN models m ON m.id = s.model_id "
        "WHERE m.name = ? AND s.name = ?",
        *(model, metric),
    )
    last = dict(zip(season.rounds, (60, 59), strict=True))
    values = {(row["round"], row["day"]): row["value"] for row in rows}
    return Told({key: value for key, value in values.items() if key[1] <= last.get(key[0], 0)})


@pytest.mark.parametrize("model", MODELS)
def test_the_page_of_a_model_shows_the_tournaments_own_scores(season, world, model):
    page = world.platform.lake.board_file(f"models/{model.replace('-', '_')}.html").read_text()
    charts = re.findall(r'(?s)<script type="application/json">(.*?)</script><p>(.*?)</p>', page)
    shown = re.sub(r"<[^>]+>|\s+", " ", page)
    for place, metric in enumerate(("mmc60", "corr60")):
        truth = truth_of_tournament(season, world, model, metric)
        curve, summed, falls = charts[3 * place : 3 * place + 3]
        [running] = [rows for rows in datasets(curve) if "round" in rows[0]]
        assert {(row["round"], row["day"]): row["value"] for row in running} == {
            key: pytest.approx(value, abs=1e-6)
            for key, value in truth.values.items()
            if key[0] == season.rounds[1]  # the first has resolved
        }
        sums = 60**0.5 * np.cumsum(truth.pieces)
        [drawn] = [rows for rows in datasets(summed) if "sum" in rows[0]]
        assert [row["sum"] for row in drawn] == pytest.approx(sums.tolist(), abs=1e-6)
        below = sums - np.maximum.accumulate(np.maximum(sums, 0))
        assert f"Now {score(below[-1])} from its peak" in falls[1]
        assert f"at the deepest {score(below.min())}" in falls[1]
        mean, error = 60**0.5 * truth.pieces.mean(), 60**0.5 * stats.sem(truth.pieces)
        half, power = stats.t.ppf([0.975, 0.8], len(truth.pieces) - 1) * error
        assert (
            f"Mean {metric.upper()} {score(mean)} a round over {len(truth.pieces)} days "
            f"since round {season.rounds[0]}, between {score(mean - half)} and "
            f"{score(mean + half)}: cannot be told apart" in shown
        )
        assert f"only a mean beyond ±{half + power:.4f} could have been seen" in shown
        for number, day in zip(season.rounds, (60, 59), strict=True):
            [row] = re.findall(rf"<tr[^>]*><td><a [^>]*>{number}</a>.*?</tr>", page)
            assert f">{score(truth.values[number, day])}<" in row


def datasets(chart):
    """Return the numbers of a chart as rows, from the columns and rows that stand in the page."""
    tables = json.loads(chart[0])["datasets"].values()
    return [
        [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        for table in tables
        if table["rows"]
    ]
