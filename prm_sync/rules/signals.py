"""`policies/signals.yaml`: which changes of demand partners are told of, and in how coarse numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting

from prm_sync.rules.policyfile import Policy, load, schema_of
from prm_sync.rules.routing.territory import Atlas
from prm_sync.yamlfile import YamlFile

Measure = Literal["leads", "won", "orders", "cases"]
LEAST = 3  #: a group of two is known to either of them


class SignalPolicy(Policy):
    """A whole `policies/signals.yaml`."""

    measures: tuple[Measure, ...] = Setting(default=("leads", "won", "orders", "cases"), description="What is counted")
    smallest_group: int = Setting(
        default=5, ge=LEAST, description="Fewer different customers than this are never told, in any number"
    )
    baseline_months: int = Setting(default=3, ge=1, le=24, description="Months before it that a month is compared with")
    published_months: int = Setting(default=2, ge=1, le=24, description="How many of the last whole months are told")
    min_lift: float = Setting(
        default=1.5, gt=1, description="Least change: the month by the mean of the months before, or upside down"
    )
    min_count: int = Setting(
        default=10, ge=1, description="So many in the month, or in the mean month before, or nothing is told"
    )
    round_to: int = Setting(default=5, ge=1, description="Counts are told as multiples of this")
    effect_months: int = Setting(
        default=3, ge=1, le=12, description="Months before and after a signal in which its effect is counted"
    )


def load_signals(source: Path | YamlFile) -> SignalPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(SignalPolicy, source)


def signals_schema() -> dict[str, Any]:
    return schema_of(SignalPolicy, "signals")


def whole_months(now: datetime, how_many: int) -> list[date]:
    """First days of the last months that are over, the latest first (UTC)."""
    return [months_before(now.date().replace(day=1), n) for n in range(1, how_many + 1)]


def months_before(first: date, n: int) -> date:
    """The first day of the month that many months before."""
    month = first.year * 12 + first.month - 1 - n
    return date(month // 12, month % 12 + 1, 1)


def audience(
    places: Iterable[tuple[str, str, str | None]], territories: Mapping[str, Iterable[str]], atlas: Atlas
) -> Iterator[tuple[str, str]]:
    """(signal, partner) for each (signal, country, region): the partners that sell in all of the place.

    A partner with a part of it only (a region, postcodes, one segment of companies) is none of them.
    """
    by_token: dict[str, list[str]] = {}
    for partner, named in territories.items():
        for token in atlas.tokens_of(named):
            by_token.setdefault(token, []).append(partner)
    for signal, country, region in places:
        found = {p for token in atlas.tokens_at(country, region, None) for p in by_token.get(token, ())}
        yield from ((signal, partner) for partner in sorted(found))
