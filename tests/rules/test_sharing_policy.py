from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.canonical.entities import LEAD
from prm_sync.canonical.facts import FACTS
from prm_sync.canonical.model import Pii
from prm_sync.rules.disclosure import Audience, Disclosure, Sharing
from prm_sync.rules.mapping import compile_back, load_all
from prm_sync.rules.sharing import SharingPolicy, StreamSharing, allowed_fields, load_sharing

ROOT = Path(__file__).parents[2]
SHIPPED = load_sharing(ROOT / "policies" / "sharing.yaml")
RECORD = {f.name: f"value of {f.name}" for f in (*LEAD.fields, *FACTS["lead"])}
NOW = datetime(2027, 3, 1, 8, tzinfo=UTC)


def shared(policy: SharingPolicy, entity: str, stream: str, record: Mapping[str, Any]) -> Disclosure:
    return Sharing(policy, entity, stream, NOW).of(Audience(stream, "nordwind"), record, list(record))


def test_without_a_policy_nothing_leaves() -> None:
    nothing = shared(SharingPolicy(), "lead", "prm/leads", RECORD)
    assert nothing.values == {}
    assert nothing.nothing
    assert tuple(nothing.withheld) == tuple(RECORD)


@pytest.mark.parametrize(
    ("entity", "stream"), [("lead", "prm/deals"), ("contact", "prm/leads"), ("lead", "prm/leads/x")]
)
def test_what_is_not_named_stays(entity: str, stream: str) -> None:
    assert allowed_fields(SHIPPED, entity, stream) == frozenset()


def test_the_shipped_policy_gives_partners_what_they_need_to_call_and_no_more() -> None:
    left = shared(SHIPPED, "lead", "my_prm/leads", RECORD)
    assert {"email", "phone", "last_name", "company", "id", "offer_partner_key"} <= left.values.keys()
    assert not left.values.keys() & {"owner", "source", "street", "annual_revenue", "score", "partner_ref"}
    assert "owner" in left.withheld
    assert left.values["email"] == "value of email"


@pytest.mark.parametrize("connector", ["partnerstack"])
def test_the_shipped_policy_lets_the_shipped_mappings_of_a_prm_write_all_they_need(connector: str) -> None:
    specs, broken = load_all(ROOT / "mappings")
    written = [compile_back(s) for s in specs if s.connector == connector and s.back]
    assert not broken
    assert written
    for back in written:
        assert set(back.uses) <= allowed_fields(SHIPPED, back.spec.entity.name, f"prm/{back.spec.stream}")


def test_an_entry_for_one_connection_stands_alone() -> None:
    def entry(*fields: str) -> StreamSharing:
        return StreamSharing(entity="lead", purpose="x", fields=fields)

    policy = SharingPolicy(streams={"leads": entry("status", "product"), "strict/leads": entry("status")})
    assert allowed_fields(policy, "lead", "strict/leads") == {"status"}
    assert (
        allowed_fields(policy, "lead", "other/leads")
        == allowed_fields(policy, "lead", "leads")
        == {"status", "product"}
    )


def test_a_field_of_a_class_that_is_not_allowed_stays_even_if_it_is_named() -> None:
    policy = SharingPolicy(streams={"leads": StreamSharing(entity="lead", purpose="x", fields=("status", "email"))})
    assert shared(policy, "lead", "leads", RECORD).values == {"status": "value of status"}


@given(
    st.lists(st.sampled_from([*RECORD, "unknown"]), unique=True),
    st.lists(st.sampled_from(["none", "company", "personal"]), unique=True),
    st.dictionaries(st.sampled_from([*RECORD, "unknown", "password"]), st.integers()),
)
def test_only_named_fields_of_allowed_classes_ever_leave(
    fields: list[str], pii: list[str], record: dict[str, int]
) -> None:
    policy = SharingPolicy.model_validate(
        {"streams": {"leads": {"entity": "lead", "purpose": "x", "pii": pii, "fields": fields}}}
    )
    known = LEAD.by_name | {f.name: f for f in FACTS["lead"]}
    left = shared(policy, "lead", "prm/leads", record)
    for name, value in left.values.items():
        assert name in fields
        assert known[name].pii.value in pii
        assert known[name].pii is not Pii.SENSITIVE
        assert record[name] == value
    assert sorted([*left.values, *left.withheld]) == sorted(record)
