from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from numebot_dagster.numerai import parsing
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.numerai.records import Fleet, HeldSubmission, Model, RemoteFile

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0E-18", Decimal(0)),
        ("1,234.5", Decimal("1234.5")),
        ("0", Decimal(0)),
        ("5.746875150000000000", Decimal("5.74687515")),
        ("-1.2e-3", Decimal("-0.0012")),
        (0.1, Decimal("0.1")),
        (3, Decimal(3)),
        (Decimal("2.5"), Decimal("2.5")),
        (None, None),
        ("", None),
    ],
)
def test_decimals(text, expected):
    assert parsing.parse_decimal(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T13:00:00+01:00", NOON),
        ("2026-11-24T12:00:00", NOON),
        ("2026-11-24T12:00:00.250000Z", NOON.replace(microsecond=250000)),
        ("2026-11-24", NOON.replace(hour=0)),
        (NOON, NOON),
        (None, None),
        ("", None),
    ],
)
def test_times_are_aware_utc(text, expected):
    instant = parsing.parse_time(text)
    assert instant == expected
    assert instant is None or instant.tzinfo is UTC


@pytest.mark.parametrize("parse", [parsing.parse_time, parsing.parse_decimal])
def test_what_is_no_time_or_number_is_named(parse):
    with pytest.raises(UnexpectedAnswer, match="'soon'"):
        parse("soon")


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({}, "account"),
        ({"account": None}, "account"),
        ({"account": {"models": None}}, "account.models"),
        ({"account": []}, "account.models"),
    ],
)
def test_a_null_is_named_by_its_path(answer, path):
    with pytest.raises(UnexpectedAnswer, match=rf"nothing at {path};"):
        parsing.need(answer, "account", "models")


def test_a_narrow_round():
    round_ = parsing.parse_round(
        {
            "number": 1405,
            "openTime": "2026-11-24T12:00:00Z",
            "closeStakingTime": "2026-11-24T13:00:00Z",
        }
    )
    assert (round_.number, round_.open_time) == (1405, NOON)
    assert round_.close_staking_time == NOON.replace(hour=13)
    assert (round_.close_time, round_.resolved, round_.score_configs, round_.extra) == (
        None,
        None,
        (),
        {},
    )


def test_a_wide_round_keeps_what_it_does_not_know():
    round_ = parsing.parse_round(
        {
            "id": "r",
            "number": 1405,
            "openTime": NOON,
            "closeStakingTime": "2026-11-24T13:00:00Z",
            "closeTime": "2026-11-25T12:00:00Z",
            "resolvedGeneral": False,
            "payoutFactor": "0E-18",
            "newRule": {"of": "tomorrow"},
            "newTime": "whenever",
            "roundScoreConfigs": [
                {
                    "name": "corr60",
                    "displayName": "corr60",
                    "isPayout": True,
                    "defaultMultiplier": 3,
                    "clipThreshold": "1.0",
                    "totalScoreDays": 60,
                    "scoringStart": "2026-11-28T00:00:00Z",
                    "isCanonScore": True,
                },
                None,
            ],
        }
    )
    assert round_.extra == {"id": "r", "newRule": {"of": "tomorrow"}, "newTime": "whenever"}
    assert (round_.payout_factor, round_.resolved) == (Decimal(0), False)
    [config] = round_.score_configs
    assert (config.name, config.is_payout, config.default_multiplier) == ("corr60", True, 3.0)
    assert (config.clip_threshold, config.total_score_days) == (1.0, 60)
    assert config.scoring_start == datetime(2026, 11, 28, tzinfo=UTC)
    assert config.extra == {"isCanonScore": True}


@pytest.mark.parametrize("missing", ["number", "openTime", "closeStakingTime"])
def test_a_round_needs_its_number_and_its_hour(missing):
    raw = {
        "number": 7,
        "openTime": "2026-11-24T12:00:00Z",
        "closeStakingTime": "2026-11-24T13:00:00Z",
    }
    with pytest.raises(UnexpectedAnswer):
        parsing.parse_round(raw | {missing: None})


def test_an_unknown_status_is_kept_and_reported_once(caplog):
    model = Model("m", "1")
    for _ in range(3):
        row = {"roundNumber": 1, "id": "s", "status": "half-late-in-tests"}
        assert parsing.parse_held(model, row).status == "half-late-in-tests"
    assert [record.getMessage() for record in caplog.records] == [
        "Numerai has a new submission status: 'half-late-in-tests'"
    ]


def test_a_round_without_submission_has_status_none(caplog):
    submission = parsing.parse_held(Model("m", "1"), {"roundNumber": 1, "id": None, "status": None})
    assert (submission.status, submission.submission_id, submission.timestamp) == (
        "none",
        None,
        None,
    )
    assert caplog.records == []


def test_a_payout_without_amount_is_none_yet():
    assert parsing.parse_payout({"payoutNmr": None}, False) is None
    payout = parsing.parse_payout(
        {
            "payoutNmr": "-0.5",
            "modelName": "m",
            "roundNumber": 9,
            "roundResolveTime": "2027-01-29",
        },
        True,
    )
    assert payout is not None
    assert (payout.payout_nmr, payout.settled) == (Decimal("-0.5"), True)
    assert payout.resolve_date == date(2027, 1, 29)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["v5.2/a", "v5.10/a", "v5.9/a"], "v5.10"),
        (["v5.10/a", "v6.0/b"], "v6.0"),
        (["signals/v9.0/a", "v5.3/a", "latest/a", "v7"], "v5.3"),
        ([], None),
    ],
)
def test_the_highest_version_goes_by_numbers(names, expected):
    assert parsing.highest_version(names) == expected


def test_the_fleet_finds_what_is_held():
    def row(model, number, identifier, hour):
        moment = None if hour is None else NOON.replace(hour=hour)
        return HeldSubmission(model, "i", number, identifier, "f", "on-time", moment)

    fleet = Fleet(
        {"a": Model("a", "1")},
        (row("a", 2, None, None), row("a", 1, "x", 12), row("a", 1, "y", 13), row("b", 1, "z", 9)),
    )
    assert fleet.submission_of("a", 2) is None
    assert fleet.submission_of("a", 1) == row("a", 1, "y", 13)
    assert fleet.submission_of("a", 3) is None


def test_a_stamp_changes_with_the_object_and_a_weak_tag_proves_nothing():
    file = RemoteFile("f", 3, '"e"', NOON)
    assert file.stamp == RemoteFile("f", 3, '"e"', None).stamp
    others = [
        RemoteFile("f", 3, '"x"', NOON),
        RemoteFile("f", 4, '"e"', NOON),
        RemoteFile("g", 3, '"e"', NOON),
    ]
    assert len({other.stamp for other in others} | {file.stamp}) == 4
    assert (file.strong_etag, RemoteFile("f", 3, 'W/"e"', None).strong_etag) == ('"e"', None)
