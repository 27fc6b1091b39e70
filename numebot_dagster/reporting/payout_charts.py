"""Draw what each model was paid so far."""

from __future__ import annotations

import polars as pl

from numebot_dagster.reporting import marks
from numebot_dagster.reporting.marks import Measure
from numebot_dagster.reporting.numbers import counted, nmr
from numebot_dagster.reporting.picture import Picture
from numebot_dagster.reporting.theme import drawn_apart

NMR = Measure(format=",.2f")


def paid_by_model(payouts: pl.DataFrame) -> Picture:
    """Draw what each model earned less what it burned, cumulated over the settled rounds.

    Args:
        payouts: model, round, payout_nmr and settled; rounds that have not settled do not count.
    """
    title = "Paid so far, by model"
    settled = payouts.filter(pl.col("settled")).sort("model", "round")
    if settled.is_empty():
        return marks.notice(
            title, "No round has been paid yet", "A round is paid when it resolves."
        )
    rows = settled.select("model", "round", nmr=pl.col("payout_nmr").cum_sum().over("model"))
    last = rows.unique("model", keep="last", maintain_order=True)
    bands = "" if drawn_apart(rows["model"]) else (
        " Bands: half and nine tenths of the models. Dashed: their median."
    )  # fmt: skip
    drawn = marks.lines_or_bands(
        rows, marks.whole_axis("round", "round"), "nmr", "NMR, cumulated", NMR
    )
    return Picture(
        title,
        f"Payouts less burns of the rounds that have settled, cumulated.{bands}",
        f"{nmr(float(last['nmr'].sum()))} by {counted(last.height, 'model')}.",
        marks.plot(marks.zero_line(), *drawn),
    )
