"""Deal registrations: is a deal somebody else's already, with evidence; approve, reject or review.

First come, first served: what counts is when the partner registered by the PRM's clock, then the id. Pure functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting
from rapidfuzz.distance import OSA

from prm_sync.rules.fold import fold
from prm_sync.rules.identity.spelling import FREE_MAIL, company_core, sound
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import YamlFile

Subject = Literal["registration", "opportunity", "account", "lead"]
Outcome = Literal["approve", "reject", "review"]
ConflictKind = Literal["partner_vs_partner", "partner_vs_direct"]

#: How much each piece of evidence says alone; together: 1 - the product of what is left open.
WEIGHTS: Mapping[str, float] = {
    "same_tax_id": 0.97, "same_domain": 0.85, "same_name": 0.8, "sounds_the_same": 0.7, "sounds_alike": 0.4,
    "same_country": 0.35, "same_person": 0.5,
}  # fmt: skip
#: What each contradiction leaves of that.
AGAINST: Mapping[str, float] = {
    "other_tax_id": 0.2, "other_country": 0.6, "other_product": 0.6, "other_domain": 0.9,
}  # fmt: skip
ALIKE = 0.8  #: likeness of the consonants of two names, 1 = the same
SHORTEST = 3  #: consonants; shorter names sound like too many others


class Window(Part):
    protection_days: int = Setting(default=90, gt=0, description="How long an approved registration is protected")
    close_call_s: int = Setting(
        default=60, ge=0, description="Registrations of one deal within so many seconds: a person decides"
    )


class Deals(Part):
    """What becomes of an approved registration in the CRM."""

    connection: str | None = Setting(
        default=None, description="The CRM in which deals are made; null: the first one that takes opportunities"
    )
    unknown_account: Literal["make", "wait"] = Setting(
        default="make", description="The CRM does not know the customer: make the deal without, or wait until it does"
    )
    stage: Literal["prospect", "qualified", "solution", "proposal", "commit"] = Setting(
        default="qualified", description="Stage with which a deal is made"
    )
    credit_made: Literal["sourced", "influenced", "fulfilled", "none"] = Setting(
        default="sourced", description="Credit of the partner whose registration made the deal"
    )
    credit_linked: Literal["sourced", "influenced", "fulfilled", "none"] = Setting(
        default="influenced", description="... of the one whose registration was linked to a deal of somebody else"
    )
    after_protection: Literal["clear", "keep"] = Setting(
        default="clear", description="The end of the protection in the CRM's deal, once it is over"
    )


class RegistrationPolicy(Policy):
    """A whole `policies/registrations.yaml`."""

    conflict: float = Setting(default=0.8, gt=0, le=1, description="From this score on two claims are one deal")
    review: float = Setting(default=0.6, gt=0, le=1, description="From this score on a person looks at it")
    partner_was_first: Literal["reject", "review"] = Setting(
        default="reject", description="Another partner holds the deal: an earlier registration, or the opportunity"
    )
    direct_was_first: Literal["reject", "review"] = Setting(
        default="review", description="The seller's own people had opened the deal before"
    )
    window: Window = Window()
    deals: Deals = Deals()


def load_registrations(source: Path | YamlFile) -> RegistrationPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(RegistrationPolicy, source)


def registrations_schema() -> dict[str, Any]:
    return schema_of(RegistrationPolicy, "registrations")


@dataclass(frozen=True)
class Claim:
    """A deal, account or lead, and whose it is. `partner_id` None: the seller's own."""

    kind: Subject
    id: str
    partner_id: str | None
    since: datetime | None  #: registered, opened or made; aware
    company: str | None = None
    domain: str | None = None
    tax_id: str | None = None
    country: str | None = None
    email: str | None = None
    product: str | None = None
    opportunity_id: str | None = None  #: of a registration: the opportunity that it became
    protected_until: datetime | None = None  #: of a registration that was approved
    approved: bool = False  #: of a registration: by the PRM, or by what was decided here
    closed_at: datetime | None = None  #: of an opportunity that was won; what is registered later is another deal

    @cached_property
    def core(self) -> str:
        return company_core(self.company) if self.company else ""

    @cached_property
    def heard(self) -> str:
        return sound(self.core) if self.core else ""

    @cached_property
    def home(self) -> str:
        """The company's domain, or that of its person's mail; empty for mail providers."""
        domain = (self.domain or (self.email or "").rpartition("@")[2]).lower().removeprefix("www.")
        return "" if domain in FREE_MAIL else domain

    @cached_property
    def tax(self) -> str:
        return "".join(c for c in fold(self.tax_id or "") if c.isalnum())

    @cached_property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Claims that share none of these are not compared."""
        heard = self.heard[:SHORTEST] if len(self.heard) >= SHORTEST else ""
        found = (("tax", self.tax), ("domain", self.home), ("name", self.core), ("sound", heard))
        return tuple(k for k in found if k[1])


@dataclass(frozen=True, slots=True)
class Likeness:
    """How likely two claims are about one company and deal, 0 to 1, and why: names of `WEIGHTS` and `AGAINST`."""

    score: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A registration and a claim of somebody else to what is likely the same deal."""

    registration_id: str
    partner_id: str
    other: Claim
    kind: ConflictKind
    likeness: Likeness
    other_first: bool
    apart: timedelta | None  #: time between both; None: not known


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided about a registration, and why."""

    registration_id: str
    outcome: Outcome
    because: str
    conflicts: tuple[Conflict, ...]
    opportunity_id: str | None  #: the deal in the CRM, if there is one already: the partner's own, else somebody's


def likeness(a: Claim, b: Claim) -> Likeness:
    """Compare two claims; the order does not matter."""
    found = list(_for(a, b))
    left = 1.0
    for name in found:
        left *= 1 - WEIGHTS[name]
    if found in (["same_country"], []):
        return Likeness(0.0, ())
    score, against = 1 - left, list(_against(a, b))
    for name in against:
        score *= AGAINST[name]
    return Likeness(round(score, 4), (*found, *against))


def _for(a: Claim, b: Claim) -> Iterator[str]:
    if a.tax and a.tax == b.tax:
        yield "same_tax_id"
    if a.home and a.home == b.home:
        yield "same_domain"
    if a.core and a.core == b.core:
        yield "same_name"
    elif min(len(a.heard), len(b.heard)) >= SHORTEST:
        if a.heard == b.heard:
            yield "sounds_the_same"
        elif OSA.normalized_similarity(a.heard, b.heard) >= ALIKE:
            yield "sounds_alike"
    if a.email and b.email and a.email.lower() == b.email.lower():
        yield "same_person"
    if a.country and a.country == b.country:
        yield "same_country"


def _against(a: Claim, b: Claim) -> Iterator[str]:
    if a.tax and b.tax and a.tax != b.tax:
        yield "other_tax_id"
    if a.country and b.country and a.country != b.country:
        yield "other_country"
    if a.product and b.product and fold(a.product) != fold(b.product):
        yield "other_product"
    if a.home and b.home and a.home != b.home:
        yield "other_domain"


Index = Mapping[tuple[str, str], Sequence[Claim]]


def index_of(claims: Iterable[Claim]) -> Index:
    """Claims by key."""
    index: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        for key in claim.keys:
            index[key].append(claim)
    return index


def near(claim: Claim, index: Index) -> list[Claim]:
    """Those that share a key with it, in one order."""
    found = {(c.kind, c.id): c for key in claim.keys for c in index.get(key, ())}
    return [found[k] for k in sorted(found) if k != (claim.kind, claim.id)]


def judge(registrations: Iterable[Claim], others: Iterable[Claim], policy: RegistrationPolicy,
          now: datetime, *, beside: Iterable[Claim] = ()) -> list[Verdict]:  # fmt: skip
    """A verdict on each registration, by id; the order in which they come does not matter.

    `others`: opportunities that are not lost, accounts and leads that somebody has; `beside`: registrations that are
    not judged now, but have a claim. Registrations whose protection has ended hold nobody up. What was approved stays
    approved; its conflicts are told all the same.
    """
    asked = sorted(registrations, key=turn)
    index = index_of((*asked, *beside, *others))
    lost: set[str] = set()  #: rejected so far: they hold nobody up. Those who came first are judged first
    found = []
    for r in asked:
        verdict = _verdict(r, near(r, index), lost, policy, now)
        if verdict.outcome == "reject":
            lost.add(r.id)
        found.append(verdict)
    return sorted(found, key=lambda v: v.registration_id)


def seen_by(beside: Iterable[Claim], registrations: Iterable[Claim], verdicts: Iterable[Verdict],
            policy: RegistrationPolicy, now: datetime) -> list[Conflict]:  # fmt: skip
    """The conflicts that those beside have with the registrations that were judged."""
    lost = {v.registration_id for v in verdicts if v.outcome == "reject"}
    index = index_of(registrations)
    found = []
    for b in beside:
        for r in near(b, index):
            if r.partner_id == b.partner_id or _is_over(b, r, lost if turn(r) < turn(b) else set(), now):
                continue
            alike = likeness(b, r)
            if alike.score >= policy.review:
                found.append(_conflict(b, r, alike))
    return found


def shaken(beside: Iterable[Claim], registrations: Iterable[Claim], verdicts: Iterable[Verdict],
           policy: RegistrationPolicy) -> set[str]:  # fmt: skip
    """Those beside that came after one which is rejected now, and are alike: it does not hold them up any more."""
    lost = {v.registration_id for v in verdicts if v.outcome == "reject"}
    index = index_of(r for r in registrations if r.id in lost)
    return {
        b.id for b in beside
        if any(turn(r) < turn(b) and likeness(b, r).score >= policy.review for r in near(b, index))
    }  # fmt: skip


def _verdict(r: Claim, near: Sequence[Claim], lost: set[str], policy: RegistrationPolicy, now: datetime) -> Verdict:
    conflicts: list[Conflict] = []
    own: list[tuple[float, str]] = []
    for other in near:
        alike = likeness(r, other)
        if alike.score < policy.review or (other.kind == "opportunity" and other.id == r.opportunity_id):
            continue
        if _is_over(r, other, lost, now):
            continue
        if other.partner_id == r.partner_id:
            if other.kind == "opportunity" and alike.score >= policy.conflict:
                own.append((-alike.score, other.id))
        elif other.partner_id is not None or other.kind == "opportunity":
            conflicts.append(_conflict(r, other, alike))
    ordered = tuple(sorted(conflicts, key=lambda c: (-c.likeness.score, c.other.kind, c.other.id)))
    outcome, because = _outcome(r, ordered, policy)
    deal = r.opportunity_id or (min(own)[1] if own else None)
    if deal is None and outcome == "approve":
        deal = _shared(ordered, policy)
    return Verdict(r.id, outcome, because, ordered, deal)


def _shared(conflicts: Sequence[Conflict], policy: RegistrationPolicy) -> str | None:
    """An approved registration of a deal that somebody else has in the CRM: it is that deal, and no second one."""
    deals = [c for c in conflicts if c.other.kind == "opportunity" and c.likeness.score >= policy.conflict]
    direct = [c for c in deals if c.kind == "partner_vs_direct"]
    return (direct or deals)[0].other.id if deals else None


def _is_over(r: Claim, other: Claim, lost: set[str], now: datetime) -> bool:
    if other.closed_at is not None:
        return r.since is not None and other.closed_at <= r.since
    ended = other.protected_until is not None and other.protected_until <= now
    return other.kind == "registration" and (ended or other.id in lost)


def _conflict(r: Claim, other: Claim, alike: Likeness) -> Conflict:
    kind: ConflictKind = "partner_vs_direct" if other.partner_id is None else "partner_vs_partner"
    first = other.approved and not r.approved if other.approved != r.approved else turn(other) < turn(r)
    apart = abs(r.since - other.since) if r.since is not None and other.since is not None else None
    return Conflict(r.id, r.partner_id or "", other, kind, alike, first, apart)


def _outcome(r: Claim, conflicts: Sequence[Conflict], policy: RegistrationPolicy) -> tuple[Outcome, str]:
    if r.approved:
        return "approve", "approved already"
    close = timedelta(seconds=policy.window.close_call_s)
    for c in conflicts:
        if c.likeness.score < policy.conflict:
            continue
        what = f"{c.other.kind} {c.other.id}"
        if c.other.kind == "registration" and not c.other.approved and c.apart is not None and c.apart <= close:
            return "review", f"{what} came within {c.apart.total_seconds():.0f} s"
        if c.other_first and c.kind == "partner_vs_direct":
            return policy.direct_was_first, f"the seller's own people had opened {what} before"
        if c.other_first and c.other.kind in ("registration", "opportunity"):
            return policy.partner_was_first, f"another partner has {what} already"
    for c in conflicts:
        if c.other_first:
            return "review", f"may be the same as {c.other.kind} {c.other.id}, which somebody else has"
    return "approve", "nobody else has it" if not conflicts else "was there before everybody else"


def turn(claim: Claim) -> tuple[float, str]:
    """Who was first: by time, then by id. What has no time comes last."""
    return (claim.since.timestamp() if claim.since is not None else float("inf"), claim.id)
