"""simulate: a changed routing policy over the leads of a past month. Nothing is written, nothing is sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.route import lead_facts, partner_facts
from prm_sync.rules.routing import PastLead, RoutingPolicy, replay
from prm_sync.warehouse import offers


@dataclass(frozen=True, slots=True)
class PartnerShare:
    """What one partner got, and would have got."""

    partner_id: str
    partner: str
    got: int  #: first offers in life
    today: int  #: by the policy in force, replayed
    changed: int  #: by the changed one, replayed
    kept: int  #: the very same leads, by both

    @property
    def lost(self) -> int:
        return self.today - self.kept

    @property
    def gained(self) -> int:
        return self.changed - self.kept


@dataclass(frozen=True, slots=True)
class Stream:
    """Leads that go from one partner to another, or from or to nobody."""

    source: str | None  #: the partner's name
    target: str | None
    leads: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """A month of leads, by the policy in force and by a changed one."""

    month: str
    leads: int
    moved: int  #: leads that the two policies give to different partners, or one of them to nobody
    routed: int  #: by the policy in force
    routed_changed: int
    queues: dict[str, int]
    queues_changed: dict[str, int]
    rule_version: str
    rule_version_changed: str
    partners: tuple[PartnerShare, ...]  #: those with most leads gained and lost first
    streams: tuple[Stream, ...]  #: largest first
    moves: tuple[dict[str, Any], ...]  #: lead id, from, to


def simulate(app: App, policy: RoutingPolicy, month: datetime) -> Simulation:
    """`month`: its first moment, aware. Reads in one read-only transaction, so that it cannot change anything."""
    until = (month.replace(day=28) + _FIVE_DAYS).replace(day=1)
    with app.db.connect() as conn, conn.begin():
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        partners = partner_facts(conn, app.clock())
        names = {r.id: r.name or r.id for r in conn.execute(sa.text("SELECT id, name FROM core.partner"))}
        leads = [
            # Every lead as it came: what became of it later, and whom it was offered to, is not known yet.
            PastLead(
                lead_facts(r)._replace(
                    status=policy.eligible_statuses[0], offers=0, declined_by=frozenset(), expired_by=frozenset()
                ),
                r.decided_at, r.partner_id,
            )
            for r in offers.leads_decided(conn, month, until)
        ]  # fmt: skip
    current = app.policies.routing
    before = replay([_as(p, current) for p in leads], partners, current)
    after = replay(leads, partners, policy)
    counts = [
        Counter(p for p in found if p is not None)
        for found in ((p.partner_id for p in leads), before.partner_of.values(), after.partner_of.values())
    ]
    everybody = set(counts[0] | counts[1] | counts[2])
    kept = Counter(p for lead, p in after.partner_of.items() if p is not None and before.partner_of[lead] == p)
    shares = [
        PartnerShare(id_, names.get(id_, id_), counts[0][id_], counts[1][id_], counts[2][id_], kept[id_])
        for id_ in everybody
    ]
    moves = [
        {"lead_id": id_, "from": before.partner_of[id_], "to": to}
        for id_, to in after.partner_of.items()
        if before.partner_of[id_] != to
    ]
    streams = Counter((m["from"] and names[m["from"]], m["to"] and names[m["to"]]) for m in moves)
    return Simulation(
        f"{month:%Y-%m}", len(leads), len(moves), counts[1].total(), counts[2].total(), before.queues, after.queues,
        current.version, policy.version,
        tuple(sorted(shares, key=lambda s: (-s.gained - s.lost, -s.changed, s.partner_id))),
        tuple(Stream(*ends, n) for ends, n in sorted(streams.items(), key=lambda s: (-s[1], str(s[0])))), tuple(moves),
    )  # fmt: skip


def last_month(now: datetime) -> datetime:
    """The first moment of the month before `now`, UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - _FIVE_DAYS).replace(day=1)


def _as(lead: PastLead, policy: RoutingPolicy) -> PastLead:
    """The same lead, in a state that this policy routes."""
    return PastLead(lead.facts._replace(status=policy.eligible_statuses[0]), lead.at, lead.partner_id)


_FIVE_DAYS = timedelta(days=5)
