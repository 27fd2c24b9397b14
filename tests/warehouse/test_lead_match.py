"""core.lead_match: what a lead is in the CRM already, besides another lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from workbench import MONDAY, rows


def put(db: sa.Engine, entity: str, id_: str, **values: Any) -> None:
    """A golden record, and the remote record behind it."""
    row: Mapping[str, Any] = {
        "id": id_, "provenance": "{}", "sources": 1, "arrived": 1, "touched": 1, "valid_from": MONDAY, **values,
    }  # fmt: skip
    names = ", ".join(f'"{n}"' for n in row)
    marks = ", ".join(f"cast(:{n} AS jsonb)" if n == "provenance" else f":{n}" for n in row)
    with db.begin() as tx:
        tx.execute(sa.text(f'INSERT INTO core."{entity}" ({names}) VALUES ({marks})'), dict(row))
        tx.execute(
            sa.text(
                "INSERT INTO core.crosswalk "
                "(entity, connection, remote_id, stream, entity_id, matched_by, score, since) "
                "VALUES (:e, 'crm', :r, 's', :id, 'new', 1, :at)"
            ),
            {"e": entity, "r": f"r-{id_}", "id": id_, "at": MONDAY},
        )


def found(db: sa.Engine, lead: str) -> dict[str, str]:
    return {
        r["entity_id"]: r["why"]
        for r in rows(db, "SELECT entity_id, why FROM core.lead_match WHERE lead_id = :id", id=lead)
    }


def test_a_lead_of_the_prm_finds_its_contact_account_and_open_opportunity(warehouse: sa.Engine) -> None:
    put(warehouse, "lead", "l1", email="an@vietphat.vn", domain="vietphat.vn", company="Việt Phát")
    put(warehouse, "account", "a1", name="Công ty Việt Phát", domain="vietphat.vn")
    put(warehouse, "account", "a2", name="شركة النور")
    put(warehouse, "contact", "c1", email="an@vietphat.vn", account_ref="crm:r-a2")
    put(warehouse, "opportunity", "o1", name="ERP", account_ref="crm:r-a1", stage="proposal")
    put(warehouse, "opportunity", "o2", name="old", account_ref="crm:r-a1", stage="lost")
    assert found(warehouse, "l1") == {
        "c1": "same e-mail address", "a1": "same domain", "a2": "account of the contact",
        "o1": "open opportunity, same domain",
    }  # fmt: skip


def test_the_best_reason_counts_and_what_is_gone_is_not_found(warehouse: sa.Engine) -> None:
    put(warehouse, "lead", "l1", mobile="+8613812345678", last_name="王", company="北京光明", country="CN",
        account_ref="crm:r-a1")  # fmt: skip
    put(warehouse, "account", "a1", name="北京光明", country="CN")
    put(warehouse, "contact", "c1", mobile="+8613812345678", last_name="王")
    put(warehouse, "contact", "c2", mobile="+8613812345678", last_name="李")
    put(warehouse, "contact", "c3", mobile="+8613812345678", last_name="王", deleted_at=MONDAY)
    assert found(warehouse, "l1") == {"a1": "named by the lead", "c1": "same mobile and family name"}
