"""Where a partner sells and where a lead is, as tokens: a partner sells there where both have one in common.

A place is `*`, a country (DE), a region (DE-BY) or postcodes of a country (DE:80000-87999, GB:SW1-SW9), each alone or
for one segment of companies (DE/enterprise). A policy may give names to lists of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prm_sync.rules.fold import fold

EVERYWHERE = "*"
PLACE = re.compile(
    r"(\*|[A-Z]{2}(-[A-Z0-9]{1,3})?|(?P<country>[A-Z]{2}):(?P<first>[A-Z0-9]+)(-(?P<last>[A-Z0-9]+))?)(/(?P<segment>.+))?"
)
_REGION = re.compile(r"[A-Z0-9]{1,3}")
_NOT_OF_A_CODE = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True, slots=True)
class PostcodeRange:
    """Postcodes that begin with `first` to `last`, in the order of their characters."""

    token: str
    first: str
    last: str

    def holds(self, postcode: str) -> bool:
        return self.first <= postcode[: len(self.first)] and postcode[: len(self.last)] <= self.last


class Atlas:
    """The places that a policy and its partners know."""

    def __init__(
        self, areas: Mapping[str, Iterable[str]], region_names: Mapping[str, Iterable[str]],
        territories: Iterable[Iterable[str]],
    ) -> None:  # fmt: skip
        self._areas = {fold(name): tuple(map(_place, places)) for name, places in areas.items()}
        self._regions = {
            (code[:2], fold(name)): code for code, names in region_names.items() for name in (code, *names)
        }
        self._ranges: dict[str, list[PostcodeRange]] = {}
        for token in sorted({t for named in territories for t in self.tokens_of(named)}):
            found = PLACE.fullmatch(token.partition("/")[0])
            if found and found["country"]:
                range_ = PostcodeRange(token.partition("/")[0], found["first"], found["last"] or found["first"])
                of = self._ranges.setdefault(found["country"], [])
                if range_ not in of:
                    of.append(range_)
        self._matching: dict[tuple[str, str], tuple[str, ...]] = {}

    @property
    def by_postcode(self) -> bool:
        """Whether any territory is told by postcodes."""
        return bool(self._ranges)

    def tokens_of(self, territories: Iterable[str]) -> frozenset[str]:
        """The places of a partner's territories; a name that is neither a place nor an area matches nothing."""
        return frozenset(p for t in territories for p in self._areas.get(fold(t), (_place(t),)))

    def tokens_at(
        self, country: str | None, region: str | None, segment: str | None, *postcodes: str
    ) -> list[str]:
        """Every place that a lead is in; `postcodes` are those that `postcodes_of` found."""
        where = [EVERYWHERE, *postcodes]
        if country:
            code = country.upper()
            where += [code, self.region_of(code, region) or code]
        return [*where, *(f"{place}/{fold(segment)}" for place in where)] if segment else where

    def postcodes_of(self, country: str | None, postcode: str | None) -> tuple[str, ...]:
        """The postcode ranges that hold a lead's postcode."""
        if not country or not postcode or not self._ranges:
            return ()
        key = (country, postcode)
        if key not in self._matching:
            code = _NOT_OF_A_CODE.sub("", fold(postcode).upper())
            ranges = self._ranges.get(country.upper(), ())
            self._matching[key] = tuple(r.token for r in ranges if r.holds(code)) if code else ()
        return self._matching[key]

    def region_of(self, country: str, region: str | None) -> str | None:
        """The ISO 3166-2 code of a region as written, where it is one or the policy names it."""
        if not region:
            return None
        written = region.strip().upper()
        if written.startswith(f"{country}-"):
            return written
        named = self._regions.get((country, fold(region)))
        return named or (f"{country}-{written}" if _REGION.fullmatch(written) else None)


def _place(written: str) -> str:
    """A place in the form in which it is compared."""
    where, slash, segment = written.strip().partition("/")
    return f"{where.strip().upper()}/{fold(segment)}" if slash else where.strip().upper()
