"""500 random policies against random records: what a policy denies is in nothing that would be sent or said."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from leaking import KEY, NOW, PARTNERS, SHARED_WITH, STREAMS, fields_of, form, policies, record, texts_of

from prm_sync.canonical.entities import ENTITIES, LEAD
from prm_sync.canonical.model import Entity, Pii
from prm_sync.rules.disclosure import Audience, Sharing, initials, keyed_hash
from prm_sync.rules.mapping import compile_back, load_all
from prm_sync.rules.sharing import SharingPolicy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sensitive(monkeypatch: pytest.MonkeyPatch) -> Entity:
    """A lead of which what they need is sensitive."""
    fields = tuple(replace(f, pii=Pii.SENSITIVE) if f.name in ("need", "title") else f for f in LEAD.fields)
    lead = replace(LEAD, fields=fields)
    monkeypatch.setitem(ENTITIES, "lead", lead)
    return lead


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
    assert (with_sensitive > 5) == (entity == "lead")


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
