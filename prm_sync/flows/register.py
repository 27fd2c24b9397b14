"""Deal registrations: core.deal_registration -> ledger. Part of route, before leads are offered: approved ones protect.

Its cost follows what changed: a registration is judged again where a claim that is like it changed, was decided about
or lost its protection. What comes of it is what judging all would come to (tests/flows/test_registrations_cost.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.deals import follow_up, home_of
from prm_sync.flows.report import FlowReport
from prm_sync.rules.credit import Credit, WonDeal, credit_of
from prm_sync.rules.identity.spelling import number
from prm_sync.rules.registrations import (
    Claim,
    Conflict,
    Outcome,
    RegistrationPolicy,
    Verdict,
    index_of,
    judge,
    likeness,
    near,
    seen_by,
    shaken,
)
from prm_sync.warehouse import alerts, claims, progress, source
from prm_sync.warehouse import registrations as ledger
from prm_sync.warehouse.claims import Ids
from prm_sync.warehouse.db import lock
from prm_sync.warehouse.offers import stable_id

STEP, UNTIL = "register", "register:until"
HELD: tuple[claims.Kind, ...] = ("opportunity", "account", "lead")  #: what others have


def judge_registrations(app: App, now: datetime, run_id: str, report: FlowReport) -> None:
    """Decide what waits, keep conflicts with their evidence, follow up what was decided, say who has the credit."""
    policy = app.policies.registrations
    upto = claims.mark(app.db)
    with app.db.begin() as tx:
        lock(tx, "registrations")
        there = claims.any_registration(tx)
        config = f"{policy.version}|{home_of(app)}|{claims.parted(tx)}|{there}"
        after = progress.upto(tx, STEP, config)
        since = datetime.fromtimestamp(progress.upto(tx, UNTIL, ""), UTC)
        work = Registering(app, tx, policy, now, run_id)
        if after == 0:
            work.all(there)
        else:
            work.some(claims.changed(tx, after, since, now), there)
        progress.keep(tx, STEP, upto, config)
        progress.keep(tx, UNTIL, int(now.timestamp()), "")
    report.add(
        registrations=len(work.decided), judged=work.judged, deal_conflicts=work.found, credits=work.credited,
        deals=work.followed,
    )  # fmt: skip


@dataclass(slots=True)
class Registering:
    """One pass, in one transaction."""

    app: App
    tx: sa.Connection
    policy: RegistrationPolicy
    now: datetime
    run_id: str
    decided: set[str] = field(default_factory=set)
    judged: int = 0
    found: int = 0
    credited: int = 0
    followed: int = 0
    _rows: dict[str, sa.Row[Any]] = field(default_factory=dict)  #: registrations that were read
    _claims: dict[str, Claim] = field(default_factory=dict)
    _others: dict[tuple[str, str], Claim | None] = field(default_factory=dict)

    def all(self, there: bool) -> None:
        """Everything anew: the first time, and where the policy is another one."""
        claims.forget_keys(self.tx)
        asked: list[str] = []
        for kind in ("registration", *HELD) if there else ():
            for ids in claims.pages(self.tx, kind):
                self._index(kind, ids)
                asked += ids if kind == "registration" else []
        self._judge_all(asked)
        won = [i for ids in claims.pages(self.tx, "opportunity") for i in ids]
        self._credit({*won, *ledger.every_credited(self.tx)})

    def some(self, ids: Ids, there: bool) -> None:
        """What depends on these."""
        if not any(ids.values()):
            return
        asked: set[str] = set()
        if there:
            for kind, some in ids.items():
                for n in range(0, len(some), claims.PAGE):
                    self._index(kind, some[n : n + claims.PAGE])
            asked = self._depending(ids)
        deals = set(ids["opportunity"]) | ledger.credited(self.tx, ids["registration"])
        self._judge_all(asked)
        self._credit(deals | self._deals_like({*ids["registration"], *self.decided}))

    # --- claims ---

    def _index(self, kind: claims.Kind, ids: Sequence[str]) -> None:
        """Keep the keys by which these are found."""
        found = self._registrations(ids) if kind == "registration" else self._held(kind, ids)
        claims.keep_keys(self.tx, kind, ids, ((key, c.id) for c in found for key in sorted(keys_of(c))))
        if kind != "registration":
            self._others.clear()  # of a million accounts none is needed again

    def _registrations(self, ids: Iterable[str]) -> list[Claim]:
        """These that are alive."""
        wanted = list(ids)
        for row in claims.registrations(self.tx, [i for i in wanted if i not in self._rows]):
            if row.partner_id is not None:
                self._rows[row.id], self._claims[row.id] = row, _claim(row)
        return [self._claims[i] for i in wanted if i in self._claims]

    def _held(self, kind: claims.Kind, ids: Iterable[str]) -> list[Claim]:
        wanted = list(ids)
        unread = [i for i in wanted if (kind, i) not in self._others]
        self._others |= {(kind, i): None for i in unread}
        self._others |= {(kind, r["id"]): Claim(**dict(r)) for r in claims.others(self.tx, kind, unread)}
        return [c for i in wanted if (c := self._others[kind, i]) is not None]

    def _sharing(self, those: Iterable[Claim], *kinds: claims.Kind) -> dict[claims.Kind, set[str]]:
        return claims.sharing(self.tx, {key for c in those for key in keys_of(c)}, kinds)

    def _depending(self, ids: Ids) -> set[str]:
        """Registrations whose verdict these may change: they are like one of them, or were concerned by it so far."""
        found = {*ids["registration"], *claims.concerned(self.tx, ids)}
        for kind, some in ids.items():
            for n in range(0, len(some), claims.PAGE):
                part = some[n : n + claims.PAGE]
                changed = self._registrations(part) if kind == "registration" else self._held(kind, part)
                index = index_of(self._registrations(self._sharing(changed, "registration")["registration"]))
                found |= {
                    r.id for c in changed for r in near(c, index)
                    if r.id not in found and likeness(c, r).score >= self.policy.review
                }  # fmt: skip
        return found

    # --- verdicts ---

    def _judge_all(self, ids: Iterable[str]) -> None:
        """Judge these, and those whom one that was rejected by that does not hold up any more, until there is none."""
        asked = set(ids)
        while asked:
            news, rejected = self._judge(asked)
            self.decided |= set(news)
            for i in news:  # they say something else by now
                del self._rows[i], self._claims[i]
            self.followed += follow_up(self, asked)
            asked = self._depending(_only(rejected)) if rejected else set()

    def _judge(self, ids: Collection[str]) -> tuple[list[str], list[str]]:
        """Judge these; returns those of which anything is news, and of these the ones that are rejected."""
        looked_at = set(ids)
        asked = [c for c in self._registrations(ids) if not self._is_rejected(c.id)]
        while True:
            beside = self._beside(asked)
            verdicts = judge(asked, self.held_near(asked), self.policy, self.now, beside=beside)
            more = shaken(beside, asked, verdicts, self.policy)
            if not more:
                break
            asked += [c for c in beside if c.id in more]
        self.judged += len(asked)
        touched = source.change_number(self.tx, ledger.LOCK)
        decided = ledger.decide(self.tx, (self._decision(v, touched) for v in verdicts))
        outcomes: dict[str, str] = {i: r.outcome for i, r in self._rows.items() if r.outcome is not None}
        outcomes |= {v.registration_id: v.outcome for v in verdicts}
        sides = seen_by(beside, asked, verdicts, self.policy, self.now)
        conflicts = _once([*(c for v in verdicts for c in v.conflicts), *sides])
        rows = [_row(i, c, outcomes, self.policy, self.now) for i, c in conflicts.items()]
        self.found += ledger.find(self.tx, rows, looked_at | {c.id for c in asked}, self.now)
        _alert(self.tx, verdicts, self.now)
        return decided, [i for i in decided if outcomes[i] == "reject"]

    def _beside(self, asked: Sequence[Claim]) -> list[Claim]:
        ids = self._sharing(asked, "registration")["registration"] - {c.id for c in asked}
        return [c for c in self._registrations(sorted(ids)) if not self._is_rejected(c.id)]

    def held_near(self, asked: Sequence[Claim], *kinds: claims.Kind, anybodys: bool = False) -> list[Claim]:
        """What others have that shares a key with these; `anybodys`: also accounts that no partner serves."""
        found = self._sharing(asked, *(kinds or HELD))
        every = [c for kind, ids in found.items() for c in self._held(kind, sorted(ids))]
        return [c for c in every if anybodys or c.kind != "account" or c.partner_id is not None]

    def registrations_near(self, asked: Sequence[Claim]) -> list[Claim]:
        """Registrations that share a key with these, besides themselves."""
        return self._beside(asked)

    def rows(self, ids: Iterable[str]) -> dict[str, Claim]:
        """The claims of these registrations, by id; those that are gone are left out."""
        return {c.id: c for c in self._registrations(ids)}

    def _is_rejected(self, id_: str) -> bool:
        row = self._rows[id_]
        return bool(row.outcome == "reject" and row.status not in claims.HOLDING)

    def _decision(self, v: Verdict, touched: int) -> tuple[Any, ...]:
        claim = self._claims[v.registration_id]
        until = claim.protected_until
        if v.outcome == "approve" and until is None:
            until = self.now + timedelta(days=self.policy.window.protection_days)
        return (
            v.registration_id, claim.partner_id, v.outcome, v.because, self.now, None,
            until if v.outcome == "approve" else None, v.opportunity_id, self.policy.version, self.run_id, touched,
        )  # fmt: skip

    # --- credit ---

    def _deals_like(self, registration_ids: Collection[str]) -> set[str]:
        """Deals that one of these registrations may have a share in."""
        mine = self._registrations(registration_ids)
        found = {c.opportunity_id for c in mine if c.opportunity_id is not None}
        return found | self._sharing(mine, "opportunity")["opportunity"] if mine else found

    def _credit(self, deals: set[str]) -> None:
        """Who has the credit for those of these deals that were won."""
        every = sorted(deals)
        for n in range(0, len(every), claims.PAGE):
            part = every[n : n + claims.PAGE]
            shares = [
                (c.deal_id, c.partner_id or "", c.kind, c.primary, c.amount_minor, c.currency, c.because,
                 c.registration_id, self.now)
                for c in self._credits(part)
            ]  # fmt: skip
            self.credited += ledger.credit(self.tx, shares, part)

    def _credits(self, ids: Sequence[str]) -> Iterator[Credit]:
        won = {
            r.id: (r, Claim("opportunity", r.id, r.partner_id, r.closed_on, r.company, r.domain, r.tax_id, r.country,
                            None, r.product))
            for r in ledger.won(self.tx, ids)
        }  # fmt: skip
        if not won:
            return
        linked = ledger.linked(self.tx, list(won))
        found = self._sharing((c for _, c in won.values()), "registration")["registration"]
        mine = self._registrations(sorted({*found, *(i for some in linked.values() for i in some)}))
        index = index_of(c for c in mine if c.opportunity_id is None)
        by_deal: dict[str, list[Claim]] = defaultdict(list)
        for c in mine:
            if c.opportunity_id is not None:
                by_deal[c.opportunity_id].append(c)
        for row, deal in won.values():
            alike = [
                c for c in near(deal, index)
                if _in_time(c, row.closed_on) and likeness(deal, c).score >= self.policy.conflict
            ]  # fmt: skip
            told: list[tuple[Claim, Outcome]] = [
                (c, "approve" if self._rows[c.id].outcome == "approve" else "review")
                for c in (*alike, *by_deal[row.id])
            ]  # fmt: skip
            yield from credit_of(WonDeal(row.id, row.amount, row.currency, row.partner_id, row.credit), told)


def keys_of(claim: Claim) -> set[int]:
    """The claim's keys as signed numbers of 64 bits."""
    found = (number(f"{name}:{value}") for name, value in claim.keys)
    return {n - (1 << 64) if n >= 1 << 63 else n for n in found}


def _only(registration_ids: Sequence[str]) -> Ids:
    return {"registration": list(registration_ids), "opportunity": [], "account": [], "lead": []}


def _claim(row: sa.Row[Any]) -> Claim:
    return Claim(
        "registration", row.id, row.partner_id, row.since, row.company, row.domain, row.tax_id, row.country, row.email,
        row.product, row.opportunity_id, row.protected_until,
        approved=row.status in claims.HOLDING or row.outcome == "approve",
    )  # fmt: skip


def _once(conflicts: Iterable[Conflict]) -> dict[str, Conflict]:
    """Two registrations are one conflict, kept as the later one's."""
    found: dict[str, Conflict] = {}
    for c in conflicts:
        pair = sorted((("registration", c.registration_id), (c.other.kind, c.other.id)))
        id_ = stable_id("dealconflict", *(part for one in pair for part in one))
        if id_ not in found or c.other_first:
            found[id_] = c
    return found


def _row(
    id_: str, c: Conflict, outcomes: Mapping[str, str], policy: RegistrationPolicy, now: datetime
) -> tuple[Any, ...]:
    both = (outcomes.get(c.registration_id), outcomes.get(c.other.id))
    awaited = "review" in both and "reject" not in both
    return (
        id_, c.kind, c.registration_id, c.partner_id, c.other.kind, c.other.id, c.other.partner_id, c.other_first,
        c.apart.total_seconds() if c.apart is not None else None, c.likeness.score, list(c.likeness.evidence),
        "open" if awaited else "settled", now, None if awaited else now, policy.version,
    )  # fmt: skip


def _alert(tx: sa.Connection, verdicts: Sequence[Verdict], now: datetime) -> None:
    said = (
        (f"registration {v.registration_id}",
         f"a person is to decide: {v.because}; `prm-sync registrations show {v.registration_id}`")
        for v in verdicts if v.outcome == "review"
    )  # fmt: skip
    alerts.keep(tx, "registration", said, now)


def _in_time(claim: Claim, closed_at: datetime | None) -> bool:
    """Whether it was registered before the deal closed, and protected still."""
    if closed_at is None or claim.since is None:
        return True
    return claim.since <= closed_at and (claim.protected_until is None or claim.protected_until >= closed_at)
