"""Define the stored tables: which files each has, and their columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

NMR = "DECIMAL(38,18)"
"""The type of exact amounts: NMR has 18 digits behind the point."""


@dataclass(frozen=True)
class Table:
    """All files of one kind, and the view over them.

    Attributes:
        row: what one row is, for people.
        files: glob pattern under the root of the lake.
        columns: the promised columns with their DuckDB types.
        path_only: the columns that stand in the path and not in the files.
        blocks: glob pattern of the files into which those that no longer change are rolled up.
        is_uniform: whether each file has all promised columns, so that the newest tells the
            columns of all, and no other has to be opened for them.
        is_rewritten: whether a file may be written again with another content.
    """

    name: str
    row: str
    files: str
    columns: dict[str, str]
    path_only: tuple[str, ...] = ()
    blocks: str = ""
    is_uniform: bool = False
    is_rewritten: bool = False

    @property
    def schema(self) -> pl.Schema:
        """The columns of a file, for whoever writes one."""
        import polars as pl

        return pl.Schema(
            {name: kind for name, kind in self.types.items() if name not in self.path_only}
        )

    @property
    def types(self) -> dict[str, pl.DataType]:
        """The types of all promised columns in a table of polars."""
        import polars as pl

        kinds = {
            "BIGINT": pl.Int64(),
            "BOOLEAN": pl.Boolean(),
            "DATE": pl.Date(),
            "DECIMAL(38,18)": pl.Decimal(38, 18),
            "DOUBLE": pl.Float64(),
            "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
            "VARCHAR": pl.String(),
            "JSON": pl.String(),
        }
        return {name: kinds[kind] for name, kind in self.columns.items()}


ROUNDS = Table(
    "rounds",
    "a round: times, status, score configurations",
    "rounds/round=*/details.parquet",
    {
        "round": "BIGINT",
        "open_time": "TIMESTAMPTZ",
        "close_staking_time": "TIMESTAMPTZ",
        "close_time": "TIMESTAMPTZ",
        "score_time": "TIMESTAMPTZ",
        "resolve_time": "TIMESTAMPTZ",
        "status": "VARCHAR",
        "score_configs": "VARCHAR",
    },
)
WEIGHTS = Table(
    "weights",
    "a training: vintage, code, data version, duration, memory",
    "weights/model=*/vintage=*/code=*/manifest.json",
    {
        "model": "VARCHAR",
        "vintage": "BIGINT",
        "code_hash": "VARCHAR",
        "data_version": "VARCHAR",
        "trained_at": "TIMESTAMPTZ",
        "train_eras": "BIGINT",
        "train_rows": "BIGINT",
        "seconds": "DOUBLE",
        "peak_memory_mb": "DOUBLE",
        "target_is": "JSON",
        "parameters": "JSON",
    },
)
DIAGNOSTICS = Table(
    "diagnostics",
    "a metric of a model on an era that it had not seen, by vintage",
    "diagnostics/model=*/vintage=*/code_hash=*/by_era.parquet",
    {
        "model": "VARCHAR",
        "vintage": "BIGINT",
        "code_hash": "VARCHAR",
        "era": "BIGINT",
        "metric": "VARCHAR",
        "value": "DOUBLE",
        "held_out": "BOOLEAN",
        "walk_forward": "BOOLEAN",
        "recipe": "VARCHAR",
    },
    path_only=("model", "vintage", "code_hash"),
)
PREDICTIONS = Table(
    "predictions",
    "an id of a round, by model",
    "predictions/model=*/round=*/vintage=*/sha256=*/predictions.parquet",
    {
        "model": "VARCHAR",
        "round": "BIGINT",
        "id": "VARCHAR",
        "prediction": "DOUBLE",
        "vintage": "BIGINT",
        "sha256": "VARCHAR",
    },
    path_only=("model", "round", "vintage", "sha256"),
    blocks="predictions/rollup/round=*/*.parquet",
    is_uniform=True,
)
RECEIPTS = Table(
    "receipts",
    "an event of a submission, from the intent to the confirmation",
    "submissions/model=*/round=*/*.parquet",
    {
        "model": "VARCHAR",
        "round": "BIGINT",
        "submission_id": "VARCHAR",
        "outcome": "VARCHAR",
        "state": "VARCHAR",
        "rung": "VARCHAR",
        "vintage": "BIGINT",
        "submitted_at": "TIMESTAMPTZ",
        "accepted_at": "TIMESTAMPTZ",
        "confirmed_at": "TIMESTAMPTZ",
        "predictions_sha256": "VARCHAR",
        "rows": "BIGINT",
        "predict_seconds": "DOUBLE",
        "rung_reason": "VARCHAR",
        "filename": "VARCHAR",
        "reason": "VARCHAR",
        "recorded_at": "TIMESTAMPTZ",
        "predicted_at": "TIMESTAMPTZ",
        "peak_memory_mb": "DOUBLE",
        "gates": "VARCHAR",
    },
    blocks="submissions/rollup/rounds=*/receipts.parquet",
)
SUBMISSIONS = replace(
    RECEIPTS, name="submissions", row="the present state of a model's submission to a round"
)
"""The view of the newest receipts; it has the columns of all of them."""

SCORES = Table(
    "scores",
    "a metric of a submission on a scoring day",
    "scores/date=*/scores.parquet",
    {
        "model": "VARCHAR",
        "round": "BIGINT",
        "metric": "VARCHAR",
        "version": "VARCHAR",
        "day": "BIGINT",
        "date": "DATE",
        "value": "DOUBLE",
        "percentile": "DOUBLE",
        "resolved": "BOOLEAN",
    },
    blocks="scores/rollup/month=*/scores.parquet",
    is_rewritten=True,
)
LEADERBOARD = Table(
    "leaderboard",
    "a model on a day",
    "leaderboard/date=*/leaderboard.parquet",
    {
        "date": "DATE",
        "model": "VARCHAR",
        "rank": "BIGINT",
        "nmr_staked": "DOUBLE",
        "own": "BOOLEAN",
    },
    path_only=("date",),
    blocks="leaderboard/rollup/month=*/leaderboard.parquet",
    is_rewritten=True,
)
PAYOUTS = Table(
    "payouts",
    "a model and round as known on a day",
    "payouts/date=*/payouts.parquet",
    {
        "date": "DATE",
        "model": "VARCHAR",
        "round": "BIGINT",
        "payout_nmr": "DOUBLE",
        "settled": "BOOLEAN",
        "payout_text": "VARCHAR",
    },
    path_only=("date",),
    blocks="payouts/rollup/month=*/payouts.parquet",
    is_rewritten=True,
)
POSITIONS = Table(
    "positions",
    "a paid score of a model and round, and its stake, as known on a day",
    "positions/date=*/positions.parquet",
    {
        "date": "DATE",
        "model": "VARCHAR",
        "round": "BIGINT",
        "at_risk": NMR,
        "payout_factor": "VARCHAR",
        "clip": "DOUBLE",
        "resolve_date": "DATE",
        "resolved": "BOOLEAN",
        "metric": "VARCHAR",
        "version": "VARCHAR",
        "multiplier": "DOUBLE",
        "day": "BIGINT",
        "value": "DOUBLE",
        "payout_nmr": NMR,
    },
    path_only=("date",),
    blocks="positions/rollup/month=*/positions.parquet",
    is_rewritten=True,
)
CLAIMS = Table(
    "claims",
    "what a position of atomic staking may claim or has burned, as known on a day",
    "claims/date=*/claims.parquet",
    {
        "date": "DATE",
        "model": "VARCHAR",
        "round": "BIGINT",
        "payout_nmr": NMR,
        "burn_nmr": NMR,
    },
    path_only=("date",),
    blocks="claims/rollup/month=*/claims.parquet",
    is_rewritten=True,
)
PRICES = Table(
    "prices",
    "the price of one NMR on a day, as Numerai gave it",
    "prices/date=*/prices.parquet",
    {
        "date": "DATE",
        "nmr_usd": NMR,
        "nmr_eur": NMR,
    },
    path_only=("date",),
    blocks="prices/rollup/month=*/prices.parquet",
    is_rewritten=True,
)
ALERTS = Table(
    "alerts",
    "something that you were told, once: kind, subject, title, text, when, whether it was sent",
    "alerts/kind=*/*.json",
    {
        "kind": "VARCHAR",
        "subject": "VARCHAR",
        "title": "VARCHAR",
        "text": "VARCHAR",
        "raised_at": "TIMESTAMPTZ",
        "sent": "BOOLEAN",
        "silenced": "BOOLEAN",
        "problem": "VARCHAR",
    },
    blocks="alerts/rollup/kind=*/alerts.parquet",
)

TABLES = (
    ROUNDS,
    WEIGHTS,
    DIAGNOSTICS,
    PREDICTIONS,
    RECEIPTS,
    SCORES,
    LEADERBOARD,
    PAYOUTS,
    POSITIONS,
    CLAIMS,
    PRICES,
    ALERTS,
)
