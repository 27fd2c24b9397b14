"""Random policies of sharing and random records, and what such a policy lets out, said as the documentation says it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import FACTS, SHARED_FACTS
from prm_sync.canonical.model import Field, Kind
from prm_sync.rules.disclosure import Audience
from prm_sync.rules.sharing import SharingPolicy

SHARED_WITH = frozenset(f.name for f in SHARED_FACTS)
KEY = b"a secret of the tests"
NOW = datetime(2027, 3, 1, 8, tzinfo=UTC)
DAYS = ("2026-12-31", "2027-02-28", "2027-03-01", "2027-03-02", None)
SCRIPTS = ("王小明", "محمد العلی", "Nguyễn Văn", "José Muñoz", "فاطمه رضایی", "Weber")
WRITTEN = (Kind.TEXT, Kind.EMAIL, Kind.PHONE, Kind.DOMAIN)
STREAMS = {
    "lead": ("partnerstack", "leads"), "order": ("files_prm", "shipping_notices"), "feedback": ("files_prm", "needs"),
    "signal": ("files_prm", "market_signals"), "recommendation": ("files_prm", "recommendations"),
}  # fmt: skip
WHERE: dict[str, list[dict[str, Any]]] = {
    "lead": [{"country": ["VN", "DE"]}, {"status": "qualified"}, {"is_test": False}],
    "order": [{"country": ["VN", "DE"]}, {"status": ["shipped", "delayed"]}, {"is_test": False}],
    "feedback": [{"country": ["VN", "DE"]}, {"subject": "product"}, {"is_test": False}],
    "signal": [{"country": ["VN", "DE"]}, {"measure": ["leads", "won"]}],
    "recommendation": [{"country": ["VN", "DE"]}, {"score": [4, 5]}],
}
PARTNERS = (("nordwind", "gold", "emea"), ("suedwind", "silver", "apac"), ("東風", None, None), (None, None, None))


def some(rng: random.Random, of: list[Any], most: int) -> list[Any]:
    return rng.sample(of, rng.randint(0, min(most, len(of))))


def fields_of(entity: str) -> dict[str, Field]:
    return {f.name: f for f in (*ENTITIES[entity].fields, *FACTS.get(entity, ()))}


def texts_of(entity: str) -> list[str]:
    return [n for n, f in fields_of(entity).items() if f.kind in WRITTEN and n not in SHARED_WITH]


def entry(rng: random.Random, entity: str) -> dict[str, Any]:
    known = fields_of(entity)
    fields = some(rng, list(known), 25)
    mask = dict.fromkeys(some(rng, list(known), 2), "drop") if rng.random() < 0.4 else {}
    for name in fields:
        if known[name].kind in WRITTEN and rng.random() < 0.3:
            kinds = ["hash", "country", "drop"] + (["initials"] if known[name].kind is Kind.TEXT else [])
            mask[name] = rng.choice(kinds)
    found: dict[str, Any] = {
        "entity": entity, "purpose": "try it", "fields": fields, "mask": mask,
        "pii": some(rng, ["none", "company", "personal", "sensitive"], 4),
        "partners": some(rng, ["nordwind", "suedwind", "東風"], 2) if rng.random() < 0.4 else [],
        "tiers": some(rng, ["gold", "silver"], 1) if rng.random() < 0.4 else [],
        "programmes": some(rng, ["emea", "apac"], 1) if rng.random() < 0.3 else [],
        "since": rng.choice(DAYS), "until": rng.choice((None, *DAYS)),
    }  # fmt: skip
    if rng.random() < 0.4:
        found["where"] = rng.choice(WHERE[entity])
    if rng.random() < 0.2:
        found["filled"] = ["country"]
    if rng.random() < 0.4 and "consent_evidence" in fields_of(entity):
        found["consent"] = "consent_evidence"
    return found


def policies(rng: random.Random, n: int, entity: str) -> Iterator[SharingPolicy]:
    _, stream = STREAMS[entity]
    for _ in range(n):
        raw: dict[str, Any] = {
            "grants": [{**entry(rng, entity), "streams": [stream]} for _ in range(rng.randint(0, 3))]
        }
        if rng.random() < 0.7:
            raw["streams"] = {rng.choice([stream, f"prm/{stream}", f"other/{stream}"]): entry(rng, entity)}
        if rng.random() < 0.5 and entity == "lead":
            raw["opt_outs"] = {"lead": {"no_email": some(rng, ["email", "phone", "*"], 2)}}
        yield SharingPolicy.model_validate(raw)


def record(rng: random.Random, n: int, entity: str) -> dict[str, Any]:
    """Each text is nowhere else in the record."""
    known = fields_of(entity)
    made: dict[str, Any] = {name: f"{rng.choice(SCRIPTS)}-{name}-{n:04}q" for name in known}
    made |= {name: NOW for name, f in known.items() if f.kind in (Kind.INSTANT, Kind.DATE)}
    made |= {name: rng.choice(f.choices) for name, f in known.items() if f.choices}
    made |= {
        "country": rng.choice(["VN", "DE", "CN", None]),
        "is_test": rng.choice([True, False, None]), "no_email": rng.choice([True, False, None]),
        "do_not_share": rng.choice([True, False, None, None]), "budget": 7_000_000 + n, "currency": "EUR",
        "offer_partner_stage": "open", "amount": 900, "count": 40, "lift": 2.5, "score": 4, "scale": 5,
    }  # fmt: skip
    if entity == "lead":
        made["status"] = rng.choice(["qualified", "new"])
    if rng.random() < 0.5:
        made["consent_evidence"] = None
    return made


def form(policy: SharingPolicy, who: Audience, row: dict[str, Any], entity: str, name: str) -> set[str | None]:
    """The forms in which the policy lets the field out, said as the documentation says it; none: it is denied."""
    _, stream = STREAMS[entity]
    entries = [g for g in policy.grants if {stream, f"prm/{stream}"} & set(g.streams)]
    base = policy.streams.get(f"prm/{stream}", policy.streams.get(stream))
    today = NOW.date()
    out: set[str | None] = set()
    for e in [*entries, *([base] if base is not None else [])]:
        if (e.since and today < e.since) or (e.until and today > e.until):
            continue
        if (e.partners and who.partner_key not in e.partners) or (e.tiers and who.tier not in e.tiers):
            continue
        if e.programmes and who.programme not in e.programmes:
            continue
        if any(row[n] not in (v if isinstance(v, tuple) else (v,)) for n, v in e.where.items()):
            continue
        if e.consent and not row[e.consent]:
            continue
        if any(not row[n] for n in e.filled):
            continue
        if e.mask.get(name) == "drop":
            return set()
        pii = fields_of(entity)[name].pii
        if name in e.fields and pii in e.pii and not (pii == "sensitive" and not e.consent):
            out.add(e.mask.get(name))
    flags = policy.opt_outs.get(entity, {})
    stays = {n for flag, names in flags.items() if row[flag] is True for n in names}
    silent = "do_not_share" in fields_of(entity) and row["do_not_share"] is True
    return set() if silent or "*" in stays or name in stays else out
