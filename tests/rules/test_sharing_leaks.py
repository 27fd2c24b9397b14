"""500 random policies against random records: what a policy denies is in nothing that would be sent or said."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prm_sync.canonical.entities import ENTITIES, LEAD
from prm_sync.canonical.facts import FACTS, SHARED_FACTS
from prm_sync.canonical.model import Entity, Field, Kind, Pii
from prm_sync.rules.disclosure import Audience, Sharing, initials, keyed_hash
from prm_sync.rules.mapping import compile_back, load_all
from prm_sync.rules.sharing import SharingPolicy

SHARED_WITH = frozenset(f.name for f in SHARED_FACTS)
ROOT = Path(__file__).parents[2]
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


@pytest.fixture
def sensitive(monkeypatch: pytest.MonkeyPatch) -> Entity:
    """A lead of which what they need is sensitive."""
    fields = tuple(replace(f, pii=Pii.SENSITIVE) if f.name in ("need", "title") else f for f in LEAD.fields)
    lead = replace(LEAD, fields=fields)
    monkeypatch.setitem(ENTITIES, "lead", lead)
    return lead


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


@pytest.mark.parametrize("entity", STREAMS)
def test_nothing_that_500_random_policies_deny_is_in_a_request_body_a_reason_or_a_log_row(
    sensitive: Entity, entity: str
) -> None:
    connector, stream = STREAMS[entity]
    specs, _ = load_all(ROOT / "mappings")
    [back] = [compile_back(s) for s in specs if (s.connector, s.stream, s.entity.name) == (connector, stream, entity)]
    rng = random.Random(20270301)
    known, texts = fields_of(entity), texts_of(entity)
    plain = denied = masked = with_sensitive = 0
    for n, policy in enumerate(policies(rng, 500 if entity == "lead" else 200, entity)):
        sharing = Sharing(policy, entity, f"prm/{stream}", NOW, KEY)
        assert KEY.decode() not in repr(sharing)
        for m in range(4):
            row, who = record(rng, 4 * n + m, entity), Audience(f"prm/{stream}", *rng.choice(PARTNERS))
            told = sharing.of(who, row, [name for name in known if name not in SHARED_WITH])
            body = json.dumps(back.run(told.values), ensure_ascii=False, default=str)
            said = body + repr(told) + json.dumps(told.withheld, ensure_ascii=False)
            for name in texts:
                if row[name] is None:
                    continue
                forms = form(policy, who, row, entity, name)
                if None in forms:
                    plain += 1
                    assert told.values[name] == row[name]
                    with_sensitive += entity == "lead" and name in ("need", "title")
                    continue
                assert row[name] not in said, (n, name)
                denied += not forms
                masked += bool(forms)
                assert (name in told.values) == bool(forms)
                if not forms:
                    assert name in told.withheld
                elif name in told.values:
                    assert told.values[name] in (
                        initials(row[name]), row["country"], keyed_hash(KEY, name, row[name])
                    )  # fmt: skip
    assert min(plain, denied, masked) > 20, (plain, denied, masked)
    assert (with_sensitive > 20) == (entity == "lead")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Nguyễn Văn An", "N. V. A."), ("José-María", "J. M."), ("王", "•"), ("王小明", "王."), ("محمد", "م."),
        ("نِ", "•"), ("विजय", "वि."), ("  ", ""),
    ],
)  # fmt: skip
def test_initials_show_the_first_sign_and_never_a_whole_word(text: str, hidden: str) -> None:
    assert initials(text) == hidden


def test_a_hash_needs_a_key_and_the_message_holds_no_value() -> None:
    policy = SharingPolicy.model_validate(
        {"streams": {"leads": {"entity": "lead", "purpose": "x", "pii": ["personal"], "fields": ["email"],
                               "mask": {"email": "hash"}}}}
    )  # fmt: skip
    with pytest.raises(ValueError, match="PRM_SYNC_HASH_KEY") as caught:
        Sharing(policy, "lead", "prm/leads", NOW).of(Audience("prm/leads"), {"email": "an@example.vn"}, ["email"])
    assert "example.vn" not in str(caught.value)
