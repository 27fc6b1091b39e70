"""Records that earlier versions wrote into a data folder go on being read."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from numebot_dagster.lake import json_records
from numebot_dagster.lake.installation import Installation
from numebot_dagster.modeling.weights.weight_store import Manifest, StoredFile
from numebot_dagster.operations.alerts.outbox import Raised
from numebot_dagster.operations.diagnostics.diagnosis_store import DiagnosisFacts
from numebot_dagster.operations.diagnostics.proof import Outcome, Proof, ReplayedRound
from numebot_dagster.operations.health.changes import Observation
from numebot_dagster.operations.health.ownership import Owner
from numebot_dagster.operations.health.preflight import Preflight
from numebot_dagster.operations.rounds.skipped_rounds import SkippedRounds
from numebot_dagster.operations.training import vintages

NOON = datetime(2026, 6, 2, 12, 0, 0, 123456, tzinfo=UTC)
SUMMARY = """{
    "n": 3, "effective_n": 1.5, "mean": 0.01, "mean_low": null, "mean_high": null, "std": 0.02,
    "std_low": null, "std_high": null, "sharpe": 0.5, "sharpe_low": -1.0, "sharpe_high": 2.0,
    "smart_sharpe": null, "smart_sharpe_low": null, "smart_sharpe_high": null,
    "max_drawdown": 0.0, "max_drawdown_low": null, "max_drawdown_high": null,
    "autocorrelation": null
}"""
FILES = {
    Installation: ('{"id": "abc234", "inode": 77}', {"id": "abc234", "inode": 77, "path": None}),
    Owner: (
        '{"endpoint": "https://api-tournament.numer.ai", "account": "0f", "keys": ["1a", "2b"]}',
        {"account": "0f", "keys": ("1a", "2b")},
    ),
    SkippedRounds: ('{"through": 1400}', {"through": 1400}),
    vintages.Manifest: (
        """{"vintage": 1400, "data_version": "v5.3",
            "pinned_at": "2026-06-02T12:00:00.123456+00:00",
            "files": {"features.json": "0123456789ab"}}""",
        {"pinned_at": NOON, "files": {"features.json": "0123456789ab"}},
    ),
    Manifest: (
        """{"model": "a", "vintage": 1400, "code_hash": "deadbeef", "data_version": "v5.3",
            "data_stamp": "0123", "features": ["f1", "f2"], "targets": ["target"],
            "target_is": {"target": "target_cyrusd_60", "target_x": null}, "inputs": [],
            "parameters": {"depth": 5, "rates": [0.1], "missing": NaN, "none": null},
            "library_versions": {"python": "3.11.9"}, "train_eras": 2, "first_era": 1,
            "last_era": 2, "train_rows": 100, "seconds": 1, "peak_memory_mb": 812.5,
            "retrain_weeks": null, "retrain_on_new_data_version": false, "time_budget": 120,
            "memory_budget": 4, "trained_at": "2026-06-02T12:00:00.123456+00:00",
            "canary_rows": 100, "files": {"canary.parquet": {"bytes": 10, "sha256": "ab"}}}""",
        {
            "features": ("f1", "f2"),
            "inputs": (),
            "target_is": {"target": "target_cyrusd_60", "target_x": None},
            "retrain_weeks": None,
            "trained_at": NOON,
            "files": {"canary.parquet": StoredFile(10, "ab")},
        },
    ),
    Observation: (
        """{"versions": ["v5.2", "v5.3"], "used": {"a": "v5.3"},
            "stamps": {"v5.3/features.json": "0123"}, "target": null, "targets": {},
            "round_number": 1400,
            "scores": {"mmc (version 2)": {"name": "mmc", "is_payout": true, "clip_threshold": null,
                                           "default_multiplier": 2.0, "total_score_days": 20}},
            "fields": {"Round": ["number", "openTime"]}}""",
        {
            "versions": ("v5.2", "v5.3"),
            "fields": {"Round": ("number", "openTime")},
            "scores": {
                "mmc (version 2)": {
                    **{"name": "mmc", "is_payout": True, "clip_threshold": None},
                    **{"default_multiplier": 2.0, "total_score_days": 20},
                }
            },
        },
    ),
    Raised: (
        """{"kind": "missed", "subject": "round 1400", "title": "A title", "text": "a text",
            "raised_at": "2026-06-02T12:00:00.123456+00:00", "sent": false, "silenced": false,
            "delivered": ["mail"], "problem": "no answer"}""",
        {"delivered": ("mail",), "problem": "no answer", "unheard": False, "tries": 0},
    ),
    Preflight: (
        """{"examined_at": "2026-06-02T12:00:00.123456+00:00",
            "opening": "2026-06-02T14:00:00+00:00",
            "findings": [{"name": "disk", "verdict": "failure", "text": "full", "remedy": "free"}]}
        """,
        {"examined_at": NOON},
    ),
    Proof: (
        """{"model": "a", "replayed_at": "2026-06-02T12:00:00.123456+00:00", "left_out": 1,
            "rounds": [{"round_number": 1400, "vintage": 1390, "outcome": "the same file"}]}""",
        {
            "replayed_at": NOON,
            "rounds": (ReplayedRound(1400, 1390, Outcome.EQUAL),),
            "reason": "",
        },
    ),
    DiagnosisFacts: (
        f"""{{"model": "a", "vintage": 1400, "code_hash": "deadbeef", "data_version": "v5.3",
            "recipe": "A sentence.", "walk_forward": false, "refits": 0, "target": "target",
            "benchmark": null, "summaries": {{"corr": {SUMMARY}}}, "held_out": {{}}}}""",
        {"benchmark": None, "held_out_from": 0, "seconds": 0.0},
    ),
}


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.__name__)
def test_an_old_file_is_read(tmp_path, kind):
    text, expected = FILES[kind]
    path = tmp_path / "old.json"
    newer = {"of_a_newer_version": {"b": [None, 1]}}
    path.write_text(json.dumps(json.loads(text) | newer))
    record = json_records.read(path, kind)
    assert {name: getattr(record, name) for name in expected} == expected
    json_records.write(path, record)  # and as it is written now
    kept = newer.items() <= json.loads(path.read_text()).items()
    assert kept is issubclass(kind, json_records.Record)
    again = json_records.read(path, kind)
    assert {name: getattr(again, name) for name in expected} == expected


@pytest.mark.parametrize("newer", ["", '"note": "a text",', '"by_year": {"2026": 1}, "of": [1],'])
def test_a_number_that_was_stored_as_null_is_unknown(tmp_path, newer):
    path = tmp_path / "diagnosis.json"
    path.write_text(FILES[DiagnosisFacts][0].replace('"n": 3', f'{newer} "n": 3'))
    summary = json_records.read(path, DiagnosisFacts).summaries["corr"]
    assert (summary.n, summary["sharpe"]) == (3, (0.5, -1.0, 2.0))
    assert math.isnan(summary["mean"].low)
    assert math.isnan(summary["autocorrelation"].value)
