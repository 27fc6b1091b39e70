"""Value NMR in USD and EUR on the day on which it was paid."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from numebot_dagster.lake import catalog
from numebot_dagster.lake.layout import Lake
from numebot_dagster.settings import SettingsError

CENT = Decimal("0.01")
_LAST_DIGIT = Decimal("1e-8")  # of a price that is computed
COLUMNS = ("date", "nmr_usd", "eur_usd")
"""Of the user's file: the day, USD for one NMR, USD for one EUR (as the ECB publishes it)."""


@dataclass(frozen=True)
class Price:
    """The price of one NMR on a day; None where it is not known."""

    usd: Decimal | None = None
    eur: Decimal | None = None

    def in_usd(self, nmr: Decimal | None) -> Decimal | None:
        """Return an amount of NMR in USD, rounded to cents."""
        return _value(nmr, self.usd)

    def in_eur(self, nmr: Decimal | None) -> Decimal | None:
        """Return an amount of NMR in EUR, rounded to cents."""
        return _value(nmr, self.eur)


NO_PRICE = Price()


@dataclass(frozen=True)
class Prices:
    """Prices by day. A day without one has none: those of its neighbours do not stand in."""

    by_day: Mapping[date, Price] = field(default_factory=dict)

    @classmethod
    def of(cls, lake: Lake, rates_file: Path | None = None) -> Prices:
        """Return the collected prices, and before them those of the user's file.

        Raises:
            SettingsError: naming the line of the file that cannot be read.
        """
        collected = {
            day: Price(usd, eur)
            for day, usd, eur in catalog.query(
                lake, "select date, nmr_usd, nmr_eur from prices"
            ).iter_rows()
        }
        rates = {} if rates_file is None else dict(_read_rates(rates_file))
        days = collected.keys() | rates.keys()
        return cls({day: _price(collected.get(day, NO_PRICE), rates.get(day, {})) for day in days})

    @property
    def newest(self) -> tuple[date, Price] | None:
        """The last day with a price in USD, and the price."""
        priced = (item for item in self.by_day.items() if item[1].usd is not None)
        return max(priced, default=None, key=lambda item: item[0])

    def on(self, day: date | None) -> Price:
        """Return the price of a day."""
        return NO_PRICE if day is None else self.by_day.get(day, NO_PRICE)


def _price(collected: Price, rates: Mapping[str, Decimal]) -> Price:
    """Put the user's rates of a day before what was collected on it."""
    usd = rates.get("nmr_usd", collected.usd)
    if "eur_usd" in rates:
        in_eur = None if usd is None else (usd / rates["eur_usd"]).quantize(_LAST_DIGIT)
        return Price(usd, in_eur)
    return Price(usd, None if "nmr_usd" in rates else collected.eur)


def _read_rates(path: Path) -> Iterator[tuple[date, dict[str, Decimal]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "date" not in (reader.fieldnames or ()):
                raise SettingsError(
                    f"{path} has no column `date`; its columns are {', '.join(COLUMNS)}"
                )
            for row in reader:
                yield _rates_of(row, f"{path}, line {reader.line_num}")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"NUMEBOT_RATES_FILE: {path} cannot be read: {error}") from None


def _rates_of(row: Mapping[str | None, str], where: str) -> tuple[date, dict[str, Decimal]]:
    try:
        if None in row:
            raise ValueError("there are more values than columns")
        rates = {name: Decimal(row[name]) for name in COLUMNS[1:] if row.get(name)}
        if any(not rate.is_finite() or rate <= 0 for rate in rates.values()):
            raise ValueError("a rate is above zero")
        return date.fromisoformat(row["date"]), rates
    except (ValueError, InvalidOperation) as error:
        raise SettingsError(
            f"{where}: write a day as 2026-11-30 and rates as 1.0853 ({error})"
        ) from None


def _value(nmr: Decimal | None, price: Decimal | None) -> Decimal | None:
    return None if nmr is None or price is None else (nmr * price).quantize(CENT)
