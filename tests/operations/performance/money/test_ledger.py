"""The account book of a season with both kinds of rounds, from the tournament's own state."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake import parquet, tables
from numebot_dagster.numerai.http.transport import Transport
from numebot_dagster.operations.performance import collecting
from numebot_dagster.operations.performance.board import money_facts
from numebot_dagster.operations.performance.board import pages as board
from numebot_dagster.operations.performance.board.money_facts import Accounts
from numebot_dagster.operations.performance.money import ledger_export
from numebot_dagster.operations.performance.money.forecast import Forecast
from numebot_dagster.operations.performance.money.ledger import Ledger, account_book
from numebot_dagster.operations.performance.money.ledger_lines import Kind, Line, Match, Score
from numebot_dagster.operations.performance.money.prices import Price, Prices
from numebot_dagster.operations.platform import Platform
from numebot_dagster.practice.creation import Plan
from numebot_dagster.practice.market.crowd import Crowd
from numebot_dagster.practice.market.market import Market
from numebot_dagster.practice.market.population import Attendance
from numebot_dagster.practice.rules.clock import Round
from numebot_dagster.practice.server import PracticeServer
from numebot_dagster.reporting.pages import money as money_page
from numebot_dagster.reporting.pages.page import Frame
from numebot_dagster.scoring.luck.stake_paths import PayoutPaths
from numebot_dagster.settings import SettingsError, load_settings
from numebot_dagster.submissions import submission_file
from tests.support import quick_models
from tests.support.world import TOURNAMENT, World

STAKES = {"steady-1": "1", "second": "2.500000000000000007"}
LEGACY, ATOMIC, PENDING = (1280, 1281), (1282, 1283), 1347
PAID_ON = {1280: "2026-07-03", 1281: "2026-07-06", 1282: "2026-09-01", 1283: "2026-09-02"}
STAKE_CAP, WEI, CENT = Decimal(72_000), Decimal("1e-18"), Decimal("0.01")
RULES = {
    Kind.LEGACY: ({"v2_corr20": Decimal("0.75"), "mmc": Decimal("2.25")}, Decimal("0.05"), 20),
    Kind.ATOMIC: ({"corr60": Decimal(3), "mmc60": Decimal(15)}, Decimal(1), 60),
}


@dataclass(frozen=True)
class Season:
    """What was played, and the book that was kept of it."""

    world: World
    queries: list[tuple[str, Any]]

    @property
    def ledger(self) -> Ledger:
        return account_book(self.world.platform)


def play(world: World, count: int) -> None:
    """Enter rounds with one model that agrees with the example, and one with its opposite.

    The second changes sides with every round, so that it burns and earns.
    """
    client = world.platform.client
    path = world.folder / "example.parquet"
    for _ in range(count):
        number = world.open_round()
        path.unlink(missing_ok=True)
        client.download("v5.3/live_example_preds.parquet", path)
        example = parquet.read(path, ["id", "prediction"])
        values = example["prediction"].to_numpy()
        opinions = {"steady-1": values, "second": values if number % 2 else 1 - values}
        for name, opinion in opinions.items():
            ranked = submission_file.rank_to_unit_interval(opinion)
            prepared = submission_file.prepare(example["id"].to_list(), ranked)
            model_id = client.fleet().models[name].id
            target = client.authorise_upload(model_id, "predictions.csv")
            client.put_upload(target, prepared.csv)
            client.create_submission(model_id, target.filename)


def collect_on(world: World, *days: str) -> None:
    """Collect on these days of the tournament's calendar, which lie ahead."""
    for day in days:
        world.practice.advance(days=(date.fromisoformat(day) - today(world)).days)
        collecting.collect_payouts(world.platform, collecting.today(world.platform))


def today(world: World) -> date:
    return date.fromisoformat(world.practice.state()["clock"]["now"][:10])


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    folder = tmp_path_factory.mktemp("season")
    plan = Plan(models=tuple(STAKES), stakes=STAKES, rules_change_at=ATOMIC[0])
    queries: list[tuple[str, Any]] = []
    ask = Transport.query

    def counted(self, text, variables=None, **more):
        queries.append((text, dict(variables or {})))
        return ask(self, text, variables, **more)

    with (
        PracticeServer(folder / TOURNAMENT, plan) as practice,
        pytest.MonkeyPatch.context() as patch,
    ):
        world = World(folder, practice)
        shutil.copy(Path(quick_models.__file__), folder)
        world.enter(patch)
        patch.setattr(Transport, "query", counted)
        play(world, 4)
        collect_on(world, "2026-06-20", "2026-07-03", "2026-09-01", "2026-09-02")
        play(world, 1)
        practice.advance(days=12)
        key = practice.add_key("chain", "read_user_info", "read_submission_info", "web3_staking")
        patch.setenv("NUMERAI_PUBLIC_ID", key.public_id)
        patch.setenv("NUMERAI_SECRET_KEY", key.secret_key)
        platform = Platform(load_settings(folder))
        collecting.collect_payouts(platform, collecting.today(platform))
        yield Season(world, queries)


@pytest.fixture
def world(season, enter):
    return enter(season.world)


@pytest.fixture
def book(season):
    return season.ledger


def payout_factor(world: World, number: int) -> Decimal:
    """Return `min(1, 72000 / at risk)` of a legacy round, by positions and attendance."""
    opened = Round(number).opened
    names = {
        played.participant.name
        for played in Crowd(Market()).played(opened)
        if played.attendance is Attendance.ON_TIME
    }
    rows = world.rows(
        "SELECT name, nmr FROM positions JOIN models ON models.id = model_id "
        "WHERE from_round <= ? ORDER BY from_round", number,
    )  # fmt: skip
    stakes = {row["name"]: Decimal(row["nmr"]) for row in rows}
    at_risk = sum(stakes[name] for name in {*names, *STAKES} & stakes.keys())
    return Decimal(repr(min(1.0, float(STAKE_CAP / at_risk))))


def paid_by_the_rules(world: World, model: str, number: int, day: int | None = None) -> Decimal:
    """Return a payout by the rules of Numerai's documentation, from the scores in the state."""
    kind = Kind.LEGACY if number in LEGACY else Kind.ATOMIC
    multipliers, clip, days = RULES[kind]
    rows = world.rows(
        "SELECT s.name, s.value FROM scores s JOIN models m ON m.id = s.model_id "
        "WHERE m.name = ? AND s.round = ? AND s.day = ?", model, number, day or days,
    )  # fmt: skip
    scores = {row["name"]: Decimal(repr(row["value"])) for row in rows}
    factor = payout_factor(world, number) if kind is Kind.LEGACY else Decimal(1)
    with localcontext() as context:
        context.prec = 80
        rate = factor * sum(weight * scores[name] for name, weight in multipliers.items())
        stake = Decimal(STAKES[model])
        return (stake * max(-clip, min(clip, rate))).quantize(WEI, ROUND_HALF_EVEN)


SETTLED = [(model, number) for number in (*LEGACY, *ATOMIC) for model in STAKES]


def test_every_payout_to_the_last_digit(book, world):
    lines = {(line.model, line.round_number): line for line in book.lines}
    assert sorted(lines) == sorted([*SETTLED, *((model, PENDING) for model in STAKES)])
    for model, number in SETTLED:
        line = lines[model, number]
        expected = paid_by_the_rules(world, model, number)
        assert line.computed == line.credited == expected, (model, number)
        assert line.kind is (Kind.LEGACY if number in LEGACY else Kind.ATOMIC)
        assert line.at_risk == Decimal(STAKES[model])
        assert line.match is Match.EQUAL
        assert line.remark == ""
        assert str(line.resolve_date) == PAID_ON[number]
        if number in LEGACY:
            assert line.payout_factor == payout_factor(world, number) < 1
    credited = [lines[key].credited for key in SETTLED]
    assert min(credited) < 0 < max(credited)


def test_an_unresolved_round_is_pending_and_no_more(book, world):
    pending = [line for line in book.lines if line.round_number == PENDING]
    for line in pending:
        assert line.match is Match.PENDING
        [day] = {score.day for score in line.scores}
        assert line.credited == paid_by_the_rules(world, line.model, PENDING, day)
        assert (line.paid, line.usd, line.netted, line.differences) == (None, None, None, {})
    assert book.sums.pending == sum(line.credited for line in pending)


def test_each_part_of_a_payout_is_that_of_its_score(book):
    for line in book.lines:
        assert line.stake.parts == tuple(score.payout_nmr for score in line.scores)


def test_claims_and_netted_burns(book, world):
    """Claims became final a week after each round, and were read once the key had the scope."""
    for model in STAKES:
        lines = [line for line in book.lines if line.model == model]
        atomic = [line for line in lines if line.round_number in ATOMIC]
        amounts = [paid_by_the_rules(world, model, number) for number in ATOMIC]
        assert [line.claim for line in atomic] == amounts
        assert {line.claim for line in lines if line not in atomic} == {None}
        debt = Decimal(0)
        for line, amount in zip(atomic, amounts, strict=True):
            left = amount - debt
            debt = max(-left, Decimal(0))
            assert (line.netted.realised, line.netted.deferred) == (max(left, Decimal(0)), debt)
        [holdings] = [
            each for each in book.holdings if (each.model, each.kind) == (model, "atomic")
        ]
        stake = Decimal(STAKES[model])
        assert holdings.at_risk == stake
        assert (holdings.waiting, holdings.claimable) == (0, 2 * stake + sum(amounts))
        assert (holdings.realised - holdings.deferred) == sum(amounts)
        assert holdings.deferred == debt
    burned = [line for line in book.lines if line.netted and line.netted.deferred]
    assert burned, "a burn is part of this season"


def test_sums_by_year_month_and_model(book, world):
    paid = {key: paid_by_the_rules(world, *key) for key in SETTLED}
    assert book.sums.settled == sum(paid.values())
    assert book.sums.burned == -sum(amount for amount in paid.values() if amount < 0)
    assert list(book.by_year) == ["2026"]
    assert {month: sums.settled for month, sums in book.by_month.items()} == {
        "2026-07": sum(amount for (_, number), amount in paid.items() if number in LEGACY),
        "2026-09": sum(amount for (_, number), amount in paid.items() if number in ATOMIC),
    }
    for model, sums in book.by_model.items():
        assert sums.settled == sum(amount for (name, _), amount in paid.items() if name == model)
        assert sums.rounds == {
            Match.EQUAL: 4, Match.PENDING: 1, Match.DIFFERENCE: 0, Match.UNKNOWN: 0
        }  # fmt: skip
    assert book.of(2025).lines == ()
    assert len(book.of(2026).lines) == len(SETTLED)


def test_values_of_the_day_paid(season, book):
    """The price was collected on three of the four days on which a round resolved."""
    for line in book.of(2026).lines:
        if line.round_number == 1281:
            assert (line.price, line.usd, line.eur) == (Price(), None, None)
        else:
            assert line.price == Price(Decimal("12.00"))
            assert line.usd == (line.credited * 12).quantize(Decimal("0.01"))
            assert line.eur is None
    assert (book.sums.without_usd, book.sums.without_eur) == (2, 8)


def test_a_file_of_rates(season, tmp_path, monkeypatch):
    rates = tmp_path / "rates.csv"
    rates.write_text("date,nmr_usd,eur_usd\n2026-07-03,,1.25\n2026-07-06,10,1.2\n2026-09-01,9,\n")
    prices = Prices.of(season.world.platform.lake, rates)
    assert {day: (price.usd, price.eur) for day, price in prices.by_day.items()} == {
        date(2026, 6, 20): (12, None),
        date(2026, 7, 3): (12, Decimal("9.6")),
        date(2026, 7, 6): (10, Decimal("8.33333333")),
        date(2026, 9, 1): (9, None),
        date(2026, 9, 2): (12, None),
        season.ledger.day: (12, None),
    }
    monkeypatch.setenv("NUMEBOT_RATES_FILE", str(rates))
    [line] = [
        line
        for line in account_book(season.world.platform).lines
        if (line.model, line.round_number) == ("second", 1281)
    ]
    assert line.usd == (line.credited * 10).quantize(Decimal("0.01"))
    assert line.eur == (line.credited * Decimal("8.33333333")).quantize(Decimal("0.01"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,nmr_usd\n", "has no column `date`; its columns are date, nmr_usd, eur_usd"),
        ("date,nmr_usd\n2026-13-01,1\n", "line 2: write a day as 2026-11-30"),
        ("date,nmr_usd\n2026-07-03,-1\n", "line 2: .*a rate is above zero"),
        ("date,eur_usd\n2026-07-03,1\n2026-07-04,1,0853\n", "line 3"),
    ],
)
def test_a_bad_file_of_rates_is_named_by_its_line(season, tmp_path, text, message):
    rates = tmp_path / "rates.csv"
    rates.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Prices.of(season.world.platform.lake, rates)


def test_a_missing_file_of_rates_is_named(season, tmp_path):
    with pytest.raises(SettingsError, match="NUMEBOT_RATES_FILE"):
        Prices.of(season.world.platform.lake, tmp_path / "none.csv")


def test_one_request_a_model_and_resolved_rounds_are_not_read_again(season):
    asked = [variables["since"] for text, variables in season.queries if "v2RoundModelPerf" in text]
    assert asked == [None, None, 1279, 1279, 1280, 1280, 1282, 1282, 1283, 1283]
    assert len(asked) == 2 * 5
    stored = season.world.platform.lake.stored_days("positions")
    assert len(stored) == 5
    claimed = [variables["roundId"] for text, variables in season.queries if "v3StakeClaim" in text]
    # The key without the scope was refused once; each claim is read once.
    assert sorted(claimed) == sorted(["1282", "1283"] * 2)


LINE = Line(
    model="m",
    round_number=1343,
    at_risk=Decimal(10),
    payout_factor=Decimal(1),
    clip=Decimal(1),
    scores=(
        Score("corr60", "1", Decimal(3), 60, Decimal("0.02"), None),
        Score("mmc60", "1", Decimal(15), 60, Decimal("0.004"), None),
    ),
    resolve_date=date(2026, 11, 25),
    resolved=True,
    credited=Decimal("1.2"),
    claim=None,
)


def without(line: Line, **changes: Any) -> Line:
    """Return a line with other fields in its first score."""
    return replace(line, scores=(replace(line.scores[0], **changes), *line.scores[1:]))


@pytest.mark.parametrize(
    ("line", "match", "remark"),
    [
        (LINE, Match.EQUAL, ""),
        (replace(LINE, claim=Decimal("1.2")), Match.EQUAL, ""),
        (
            replace(LINE, credited=Decimal("1.200000000000000001")),
            Match.EQUAL,
            "payout by rounding: +0.000000000000000001 NMR",
        ),
        (
            replace(LINE, credited=Decimal("1.2000000000001")),
            Match.DIFFERENCE,
            "payout: +0.000000000000100000 NMR",
        ),
        (replace(LINE, claim=Decimal("-1")), Match.DIFFERENCE, "claim: -2.200000000000000000 NMR"),
        (replace(LINE, resolved=False, credited=Decimal(5)), Match.PENDING, ""),
        (replace(LINE, at_risk=None), Match.UNKNOWN, "atRisk"),
        (replace(LINE, payout_factor=None), Match.UNKNOWN, "roundPayoutFactor"),
        (replace(LINE, clip=None), Match.UNKNOWN, "clipThreshold"),
        (replace(LINE, scores=()), Match.UNKNOWN, "payoutMultipliers"),
        (replace(LINE, credited=None), Match.UNKNOWN, "payoutNmr"),
        (without(LINE, value=None), Match.UNKNOWN, "score corr60 v1"),
        (without(LINE, multiplier=None), Match.UNKNOWN, "multiplier of corr60 v1"),
    ],
)
def test_how_a_line_matches(line, match, remark):
    assert (line.match, line.remark) == (match, remark)


@pytest.mark.parametrize(
    ("line", "kind", "rule"),
    [
        (LINE, Kind.ATOMIC, "atomic: 3 x corr60 v1 + 15 x mmc60 v1, clipped at 1"),
        (
            replace(LINE, clip=Decimal("0.05")),
            Kind.LEGACY,
            "legacy: 3 x corr60 v1 + 15 x mmc60 v1, clipped at 0.05",
        ),
        (
            replace(LINE, clip=None, scores=()),
            Kind.UNKNOWN,
            "unknown: unknown scores, clipped at ?",
        ),
    ],
)
def test_the_rule_in_words(line, kind, rule):
    assert (line.kind, line.rule) == (kind, rule)


def test_the_csv_of_a_year(world, book):
    answer = world.numebot("ledger", "--year", "2026", "--format", "csv")
    assert answer.returncode == 0, answer.stderr
    rows = list(csv.DictReader(io.StringIO(answer.stdout)))
    assert list(rows[0]) == list(ledger_export.COLUMNS)
    assert [(row["date_paid"], int(row["round"])) for row in rows] == sorted(
        (PAID_ON[number], number) for _, number in SETTLED
    )
    for row in rows:
        expected = paid_by_the_rules(world, row["model"], int(row["round"]))
        assert Decimal(row["computed_nmr"]) == Decimal(row["credited_nmr"]) == expected
        assert Decimal(row["stake_nmr"]) == Decimal(STAKES[row["model"]])
        assert row["state"] == "equal"
    assert sum(Decimal(row["usd"] or 0) for row in rows) == book.of(2026).sums.usd
    assert "e" not in "".join(row["credited_nmr"] + row["deferred_nmr"] for row in rows).lower()


def test_json_of_a_model(world, book):
    answer = world.numebot("ledger", "--models", "second", "--format", "json")
    record = json.loads(answer.stdout)
    assert {line["model"] for line in record["lines"]} == {"second"}
    assert [line["state"] for line in record["lines"]] == ["equal"] * 4 + ["pending"]
    assert record["known_until"] == str(book.day)
    assert Decimal(record["sums"]["settled_nmr"]) == book.by_model["second"].settled
    assert Decimal(record["by_year"]["2026"]["settled_nmr"]) == book.by_model["second"].settled


def test_the_table(world):
    answer = world.numebot("ledger", COLUMNS="120")
    assert answer.returncode == 0
    assert answer.stdout.startswith("8 of 8 settled payouts equal what Numerai credited.")
    for text in (
        "2026-07",
        "2026-09",
        "claimable",
        "deferred burn",
        "NUMEBOT_RATES_FILE",
        "8 of 8",
    ):
        assert text in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 120


def test_differences_come_first(world, book, tmp_path):
    """Numerai is made to credit another amount, and its score of another round is lost."""
    folder = tmp_path / "data"
    shutil.copytree(world.platform.lake.root, folder)
    lake = replace(world.platform.lake, root=folder)
    payouts = lake.day_file("payouts", book.day)
    wrong = "0.5" if book.lines[0].credited != Decimal("0.5") else "0.6"
    row = ("second", 1282, float(wrong), True, wrong)
    other = pl.DataFrame([row], schema=tables.PAYOUTS.schema, orient="row")
    frame = parquet.read(payouts)
    parquet.write(payouts, pl.concat([frame.filter(pl.col("round") != 1282), other]))
    for day in lake.stored_days("positions"):
        path = lake.day_file("positions", day)
        frame = parquet.read(path)
        lost = (pl.col("round") == 1281) & (pl.col("metric") == "mmc")
        value = pl.when(lost).then(None).otherwise(pl.col("value"))
        parquet.write(path, frame.with_columns(value.alias("value")))
    answer = world.numebot("ledger", NUMERAI_DATA_FOLDER=str(folder), COLUMNS="130")
    assert "1 payout differ" in answer.stderr
    expected = Decimal(wrong) - paid_by_the_rules(world, "second", 1282)
    assert f"{expected:+f} NMR" in answer.stdout
    lines = answer.stdout.splitlines()
    assert lines.index("5 of 8 settled payouts equal what Numerai credited.") < 8
    assert "Not compared: Round 1281, second and steady-1: Numerai gave no score mmc v1." in lines


def test_an_empty_book(tmp_path, monkeypatch, world):
    answer = world.numebot("ledger", NUMERAI_DATA_FOLDER=str(tmp_path / "none"))
    assert answer.stdout == "No position was read yet. To read them: numebot collect\n"
    answer = world.numebot("ledger", "--year", "2024")
    assert answer.stdout == "No model had a stake in a round that was paid then.\n"
    answer = world.numebot("ledger", "--models", "second,nosuch")
    assert answer.returncode == 1
    assert "there is no model nosuch" in answer.stderr


MINUS = "\N{MINUS SIGN}"


def digits_of(html: str, heading: str) -> dict[str, list[Decimal | str]]:
    """Return the rows of a table of the page by their first cell, amounts with all digits."""
    [section] = [part for part in html.split("<section") if f"<h2>{heading} <small>" in part]
    rows = {}
    for row in re.findall(r"<tr><td>(.*?)</tr>", section):
        name, *cells = row.split("<td")
        amounts = [
            Decimal(title[1])
            if (title := re.search(r'title="(-?[0-9.]+) NMR"', cell))
            else text_of(cell)
            for cell in cells
        ]
        rows[text_of(f">{name}")] = amounts
    return rows


def text_of(cell: str) -> str:
    """Return what is read in a cell, from the end of its opening tag."""
    return re.sub(r"<[^>]*>", "", cell.partition(">")[2])


def tiles_of(html: str) -> dict[str, tuple[str, str]]:
    """Return value and note of each tile by its label."""
    note = r'<span class="soft">(.*?)</span>'
    tile = rf'<div class="tile[^>]*>{note}<b>(.*?)</b>{note}'
    return {label: (value, note) for label, value, note in re.findall(tile, html)}


def brief(amount: Decimal) -> str:
    """Return an amount below ten NMR, as tiles show it."""
    return f"{amount:+.3f} NMR".replace("-", MINUS)


def test_every_number_of_the_page_by_the_rules(world, book):
    """From the tournament's own scores and stakes, past the book."""
    home = board.write(world.platform).parent
    html = (home / "money.html").read_text()
    paid = {key: paid_by_the_rules(world, *key) for key in SETTLED}
    [day] = {score.day for line in book.that(Match.PENDING) for score in line.scores}
    running = {model: paid_by_the_rules(world, model, PENDING, day) for model in STAKES}
    stakes = {model: Decimal(stake) for model, stake in STAKES.items()}

    def sums(keys, pending=Decimal(0)):
        amounts = [paid[key] for key in keys]
        earned, burned = (sum(a for a in amounts if sign * a > 0) for sign in (1, -1))
        return [earned, burned, earned + burned, pending]

    by_month = {
        month: [str(len(keys)), *sums(keys)]
        for month, numbers in (("2026-07", LEGACY), ("2026-09", ATOMIC))
        if (keys := [(model, number) for model in STAKES for number in numbers])
    }
    shown = digits_of(html, "By month")
    assert {month: row[:5] for month, row in shown.items()} == by_month
    in_usd = {
        month: sum((paid[key] * 12).quantize(CENT) for key in keys)
        for month, keys in (
            ("2026-07", [(model, 1280) for model in STAKES]),  # 1281: no price on that day
            ("2026-09", [(model, number) for model in STAKES for number in ATOMIC]),
        )
    }
    assert [row[5] for row in shown.values()] == [
        f"{amount:+,.2f}".replace("-", MINUS) + "*" * (month == "2026-07")
        for month, amount in reversed(in_usd.items())
    ]
    assert digits_of(html, "By year")["2026"][:5] == ["8", *sums(SETTLED)]
    by_model = digits_of(html, "By model")
    assert list(by_model) == ["all", "second", "steady-1"]  # by stake
    for model in STAKES:
        keys = [(model, number) for number in (*LEGACY, *ATOMIC)]
        assert by_model[model][:5] == ["5", *sums(keys, running[model])]
        debt = realised = Decimal(0)
        for number in ATOMIC:
            left = paid[model, number] - debt
            debt, realised = max(-left, Decimal(0)), realised + max(left, Decimal(0))
        settled = sum(paid[model, number] for number in ATOMIC)
        assert digits_of(html, "Positions and claims")[model] == [
            *(stakes[model], Decimal(0), 2 * stakes[model] + settled, settled, realised, debt)
        ]
        assert digits_of(html, "Older rounds")[model] == [
            *(Decimal(0), sum(paid[model, number] for number in LEGACY))
        ]
    assert by_model["all"][:5] == ["10", *sums(SETTLED, sum(running.values()))]
    tiles = tiles_of(html)
    at_stake = sum(stakes.values())
    assert tiles["at stake"][0] == f"{at_stake:.1f} NMR"
    assert tiles["at stake"][1].startswith(f"{at_stake * 12:,.0f} USD at 12.00 on ")
    assert tiles["settled in 2026"] == (brief(sum(paid.values())), "payouts less burns")
    assert tiles["pending"] == (brief(sum(running.values())), "1 running round")
    deferred = sum(row[-1] for row in digits_of(html, "Positions and claims").values())
    assert tiles["deferred burns"][0] == brief(-deferred)
    assert tiles["account book"] == ("8 of 8", "match Numerai to the last digit")
    total = sum(paid.values()) + sum(running.values())
    assert f"{brief(total)} if all running rounds ended as they stand." in html
    assert tiles_of((home / "index.html").read_text())["pending"] == tiles["pending"]


def test_the_page_has_a_file_a_year_and_no_differences(world, book):
    home = world.platform.lake.board_file("index.html").parent
    html = (home / "money.html").read_text()
    assert "Differences to Numerai" not in html
    assert (home / "money-2026.csv").read_text() == ledger_export.as_csv(book.of(2026))
    assert '<a href="money-2026.csv" download>2026.csv</a>' in html


def test_a_difference_stands_out_on_the_page(world, book):
    [first, *rest] = book.lines
    wrong = replace(first, credited=(first.credited or Decimal()) + 1)
    lost = replace(rest[0], at_risk=None)
    accounts = Accounts(Ledger((wrong, lost, *rest[1:]), book.day), None)
    shown = money_facts.money(world.platform, accounts)
    assert [line.round_number for line in shown.differences] == [first.round_number]
    assert {tile.label: tile.style for tile in shown.tiles}["account book"] == "bad"
    html = money_page.page(shown, Frame("practice tournament", datetime(2026, 9, 3, tzinfo=UTC)))
    assert "Differences to Numerai's own figures" in html
    assert shown.differences[0].remark in html
    assert f"Round {lost.round_number}, {lost.model}: Numerai gave no atRisk." in html


def test_an_empty_book_says_what_to_type(world):
    shown = money_facts.money(world.platform, Accounts(Ledger((), None), None))
    html = money_page.page(shown, Frame("Numerai", datetime(2026, 9, 3, tzinfo=UTC)))
    assert "No position was read yet: <code>numebot collect</code>" in html
    assert tiles_of(html)["at stake"] == ("\N{EN DASH}", "no position was read yet")


def test_months_beyond_two_years_are_asked_for(world, book):
    """The newest come first."""
    [line, *_] = [line for line in book.lines if line.resolved]
    days = [date(2020 + months // 12, months % 12 + 1, 3) for months in range(30)]
    lines = tuple(replace(line, resolve_date=day) for day in days)
    shown = money_facts.money(world.platform, Accounts(Ledger(lines, book.day), None))
    html = money_page.page(shown, Frame("practice tournament", datetime(2026, 9, 3, tzinfo=UTC)))
    months = list(digits_of(html, "By month"))
    assert (months[0], months[-1], len(months)) == ("2022-06", "2020-01", 30)
    assert "<summary>6 more</summary>" in html
    assert html.index("2020-07</td>") < html.index("<summary>6 more") < html.index("2020-06</td>")


def test_where_open_rounds_may_end_in_words(book):
    paths = PayoutPaths(
        days=np.arange(2),
        quantiles=np.array([[0.0, level] for level in (-31.04, -5, 1, 9, 1058.25)]),
        totals=np.array([-40.0, *range(1, 20)]),
        burn_streaks=np.array([2] * 18 + [7, 9]),
        mean_share=0.3,
    )
    outlook = Forecast(paths, [(date(2026, 12, 1), 1)], 120, ["new"], 0.4, 4)
    assert money_facts.pending(Accounts(book, outlook)).note == (
        f"between {MINUS}31.04 and +1,058.2; 1 running round"
    )
    result, streak, basis, borrowed, without = money_facts.in_words(outlook)
    assert "5% of all burn more than they pay" in result
    assert f"ends at {MINUS}40.00 NMR on average" in result
    assert "2 in the middle path, 9 or more in the worst twentieth; so far it was 4" in streak
    assert "drawn from 120 past days" in basis
    assert borrowed.startswith("Up to 40% of a model's days are others of its own")
    assert without.startswith("Without rounds of new: ")
