"""Certificates and agreements of a partner on a day: what routing rules, the CRM and forecasts go by. Days are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from prm_sync.rules.fold import fold
from prm_sync.rules.routing.facts import Agreement

IN_FORCE = ("signed", "active", "expiring", "renewed")  #: states of a contract that holds between its days
UNSIGNED = ("draft", "sent")
HELD = ("granted", "expiring")  #: states of a certificate that is valid between its days
TAKEN_BACK = ("lapsed", "revoked")
EXPIRING_DAYS = 30  #: an agreement that ends within so many days is said to be expiring

AgreementState = Literal["in_force", "expiring", "expired", "unsigned", "none"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as its own record says. `last`: the last day it is valid; None: no end."""

    name: str
    status: str | None
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """An agreement as its own record says. `last`: the last day in force; None: no end."""

    status: str
    first: date | None = None
    last: date | None = None

    @property
    def agreement(self) -> Agreement:
        """As routing sees it."""
        return Agreement(self.status in IN_FORCE, self.first, self.last)


def certificates_on(
    listed: Iterable[str], certificates: Iterable[Certificate], day: date
) -> Mapping[str, date | None]:
    """What a partner holds, or held: name -> last day (None: no end). Certificates that have not begun are left out.

    `listed`: names that the PRM lists as in force, without days. Where there is a record of a certificate of that name
    which holds, ran out or was taken back, the record says more than the list; a request or one to come says nothing.
    """
    until: dict[str, date | None] = {}
    names: dict[str, str] = {}
    gone: set[str] = set()
    for c in sorted(certificates, key=lambda c: (fold(c.name), c.last is None, c.last or day)):
        key = fold(c.name)
        if c.status in TAKEN_BACK:
            gone.add(key)
            if c.last is not None and c.last < day and key not in until:
                names[key], until[key] = c.name, c.last
        elif (c.status is None or c.status in HELD) and (c.first is None or c.first <= day):
            names[key], until[key] = c.name, c.last  # the later one of two: they come in the order of their ends
    found = {name: None for name in listed if fold(name) not in until and fold(name) not in gone}
    return {**found, **{names[key]: last for key, last in until.items()}}


def valid_on(certificates: Mapping[str, date | None], day: date) -> dict[str, date | None]:
    """Of what a partner holds or held, what is valid on the day."""
    return {name: last for name, last in certificates.items() if last is None or last >= day}


def agreement_on(contracts: Iterable[Contract], day: date) -> tuple[AgreementState, date | None]:
    """The state of a partner's agreement over all its contracts, and the last day of the one that holds longest.

    `expired` gives the day on which the last one ended; `unsigned`: there is none that held, and one waits for a
    signature.
    """
    known = list(contracts)
    holding = [c.last for c in known if c.agreement.holds_on(day)]
    if holding:
        if None in holding:
            return "in_force", None
        last = max(d for d in holding if d is not None)
        follows = any(c.agreement.holds_on(last + timedelta(days=1)) for c in known)
        soon = last - day < timedelta(days=EXPIRING_DAYS)
        return ("expiring" if soon and not follows else "in_force"), last
    if any(c.status in UNSIGNED for c in known):
        return "unsigned", None
    ended = [c.last for c in known if c.last is not None and c.last < day]
    if ended or any(c.status in ("expired", "terminated") for c in known):
        return "expired", max(ended, default=None)
    return "none", None
