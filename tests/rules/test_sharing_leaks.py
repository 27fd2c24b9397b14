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

from prm_sync.canonical.entities import ENTITIES, FACTS, LEAD
from prm_sync.canonical.model import Entity, Kind, Pii
from prm_sync.rules.disclosure import Audience, Sharing, initials, keyed_hash
from prm_sync.rules.mapping import compile_back, load_all
from prm_sync.rules.sharing import SharingPolicy

ROOT = Path(__file__).parents[2]
KEY = b"a secret of the tests"
NOW = datetime(2027, 3, 1, 8, tzinfo=UTC)
DAYS = ("2026-12-31", "2027-02-28", "2027-03-01", "2027-03-02", None)
SCRIPTS = ("王小明", "محمد العلی", "Nguyễn Văn", "José Muñoz", "فاطمه رضایی", "Weber")
FIELDS = {f.name: f for f in (*LEAD.fields, *FACTS["lead"])}
TEXTS = [n for n, f in FIELDS.items() if f.kind in (Kind.TEXT, Kind.EMAIL, Kind.PHONE, Kind.DOMAIN)]
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


def entry(rng: random.Random) -> dict[str, Any]:
    fields = some(rng, list(FIELDS), 25)
    mask = dict.fromkeys(some(rng, list(FIELDS), 2), "drop") if rng.random() < 0.4 else {}
    for name in fields:
        if name in TEXTS and rng.random() < 0.3:
            kinds = ["hash", "country", "drop"] + (["initials"] if FIELDS[name].kind is Kind.TEXT else [])
            mask[name] = rng.choice(kinds)
    found: dict[str, Any] = {
        "entity": "lead", "purpose": "try it", "fields": fields, "mask": mask,
        "pii": some(rng, ["none", "company", "personal", "sensitive"], 4),
        "partners": some(rng, ["nordwind", "suedwind", "東風"], 2) if rng.random() < 0.4 else [],
        "tiers": some(rng, ["gold", "silver"], 1) if rng.random() < 0.4 else [],
        "programmes": some(rng, ["emea", "apac"], 1) if rng.random() < 0.3 else [],
        "since": rng.choice(DAYS), "until": rng.choice((None, *DAYS)),
    }  # fmt: skip
    if rng.random() < 0.4:
        found["where"] = rng.choice([{"country": ["VN", "DE"]}, {"status": "qualified"}, {"is_test": False}])
    if rng.random() < 0.4:
        found["consent"] = "consent_evidence"
    return found


def policies(rng: random.Random, n: int) -> Iterator[SharingPolicy]:
    for _ in range(n):
        raw: dict[str, Any] = {"grants": [{**entry(rng), "streams": ["leads"]} for _ in range(rng.randint(0, 3))]}
        if rng.random() < 0.7:
            raw["streams"] = {rng.choice(["leads", "prm/leads", "other/leads"]): entry(rng)}
        if rng.random() < 0.5:
            raw["opt_outs"] = {"lead": {"no_email": some(rng, ["email", "phone", "*"], 2)}}
        yield SharingPolicy.model_validate(raw)


def record(rng: random.Random, n: int) -> dict[str, Any]:
    """Each text is nowhere else in the record."""
    made: dict[str, Any] = {name: f"{rng.choice(SCRIPTS)}-{name}-{n:04}q" for name in FIELDS}
    made |= {
        "country": rng.choice(["VN", "DE", "CN", None]), "status": rng.choice(["qualified", "new"]),
        "is_test": rng.choice([True, False, None]), "no_email": rng.choice([True, False, None]),
        "do_not_share": rng.choice([True, False, None, None]), "budget": 7_000_000 + n, "currency": "EUR",
        "offered_at": NOW, "offer_expires_at": NOW, "offer_partner_stage": "open",
    }  # fmt: skip
    if rng.random() < 0.5:
        made["consent_evidence"] = None
    return made


def form(policy: SharingPolicy, who: Audience, row: dict[str, Any], name: str) -> set[str | None]:
    """The forms in which the policy lets the field out, said as the documentation says it; none: it is denied."""
    entries = [g for g in policy.grants if {"leads", "prm/leads"} & set(g.streams)]
    base = policy.streams.get("prm/leads", policy.streams.get("leads"))
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
        if e.mask.get(name) == "drop":
            return set()
        pii = ENTITIES["lead"].by_name.get(name, FIELDS[name]).pii
        if name in e.fields and pii in e.pii and not (pii == "sensitive" and not e.consent):
            out.add(e.mask.get(name))
    flags = policy.opt_outs.get("lead", {})
    stays = {n for flag, names in flags.items() if row[flag] is True for n in names}
    return set() if row["do_not_share"] is True or "*" in stays or name in stays else out


def test_nothing_that_500_random_policies_deny_is_in_a_request_body_a_reason_or_a_log_row(sensitive: Entity) -> None:
    specs, _ = load_all(ROOT / "mappings")
    [back] = [compile_back(s) for s in specs if s.connector == "partnerstack" and s.entity.name == "lead"]
    rng = random.Random(20270301)
    plain = denied = masked = with_sensitive = 0
    for n, policy in enumerate(policies(rng, 500)):
        sharing = Sharing(policy, "lead", "prm/leads", NOW, KEY)
        assert KEY.decode() not in repr(sharing)
        for m in range(4):
            row, who = record(rng, 4 * n + m), Audience("prm/leads", *rng.choice(PARTNERS))
            told = sharing.of(who, row, list(FIELDS))
            body = json.dumps(back.run(told.values), ensure_ascii=False, default=str)
            said = body + repr(told) + json.dumps(told.withheld, ensure_ascii=False)
            for name in TEXTS:
                if row[name] is None:
                    continue
                forms = form(policy, who, row, name)
                if None in forms:
                    plain += 1
                    assert told.values[name] == row[name]
                    with_sensitive += name in ("need", "title")
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
    assert min(plain, denied, masked, with_sensitive) > 20, (plain, denied, masked, with_sensitive)


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
