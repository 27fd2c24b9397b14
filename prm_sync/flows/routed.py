"""The kinds of things that are routed, leads and cases: by which policy, and where what is known of them stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.rules.routing import RoutingPolicy
from prm_sync.warehouse import cases, offers
from prm_sync.warehouse.offers import Book

Open = Callable[[sa.Connection, int, Sequence[str]], Sequence[sa.Row[Any]]]
Undecided = Callable[[sa.Connection, Sequence[str], int, tuple[float, str], int, datetime], Sequence[sa.Row[Any]]]


@dataclass(frozen=True, slots=True)
class Routed:
    """One kind of thing that is routed."""

    book: Book
    policy: RoutingPolicy
    undecided: Undecided  #: those without an offer, in the order in which they choose
    reads: tuple[str, ...]  #: tables with a change number that decisions depend on, besides its own
    policy_file: str
    open_offers: Open  #: offers that may come to their end, with what became of what was offered
    fates: tuple[str, ...]  #: what tells of that, by the names under which change numbers are given out

    @property
    def thing(self) -> str:
        return self.book.thing

    def step(self, name: str) -> str:
        """The name under which progress is kept."""
        return name if self.book is offers.LEADS else f"{name}:{self.thing}"

    def counted(self, numbers: dict[str, int]) -> dict[str, int]:
        """Counts for a report: those of cases have their own names, and stand there only where there are some."""
        return numbers if self.book is offers.LEADS else {f"cases_{name}": n for name, n in numbers.items() if n}

    def answering(self, app: App) -> list[StreamMapping]:
        """The streams over which partners answer."""
        return [m for m in app.back_mappings() if m.entity == self.thing and app.connector(m.connection).kind == "prm"]


_READS = ("core.partner", "core.certification", "core.account", "core.agreement")


def kinds(app: App) -> Iterator[Routed]:
    """What this installation routes."""
    policies = app.policies
    yield Routed(
        offers.LEADS, policies.routing, offers.undecided_leads, (*_READS, "core.deal_registration"), "routing.yaml",
        offers.open_offers, ("lead", "opportunity", "partner"),
    )  # fmt: skip
    if {"case", "contact", "account"} <= app.entities.keys():
        yield Routed(
            offers.CASES, policies.cases, cases.undecided_cases, (*_READS, "core.contact"), "cases.yaml",
            cases.open_cases, ("case", "partner"),
        )  # fmt: skip
