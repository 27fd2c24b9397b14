"""`prm-sync registrations`, over decisions that stand in the ledger."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from commandline import Cli
from workbench import engine

CONFLICT = (
    "INSERT INTO ledger.deal_conflict (id, kind, registration_id, partner_id, other_kind, other_id, other_first, "
    "apart_s, score, evidence, state, found_at, rule_version) VALUES ('c1', 'partner_vs_direct', 'r1', 'p1', "
    "'opportunity', 'o1', true, 3600, 0.8, ARRAY['same_name', 'same_country'], 'open', now(), 'v1')"
)
DECISION = (
    "INSERT INTO ledger.registration_decision (registration_id, partner_id, outcome, because, decided_at, "
    "rule_version) VALUES ('r1', 'p1', 'review', 'opened before', now(), 'v1')"
)

DEAL = (
    "INSERT INTO ledger.registered_deal (registration_id, partner_id, status, how, opportunity_id, touched) "
    "VALUES ('r1', 'p1', 'expired', 'made', 'opportunity_1', 1)"
)


@pytest.fixture
def judged(cli: Cli, database_url: str) -> Cli:
    cli.write(connections={"lists": cli.lists(key="Lead Id")})
    db = engine(database_url)
    with db.begin() as tx:
        for statement in (DECISION, CONFLICT, DEAL):
            tx.execute(sa.text(statement))
    db.dispose()
    return cli


def test_decisions_and_conflicts_are_listed_and_shown_with_the_evidence(judged: Cli) -> None:
    [row] = judged("registrations", "list", "--outcome", "review", "--json").json["registrations"]
    assert (row["registration_id"], row["open_conflicts"]) == ("r1", 1)
    assert judged("registrations", "list", "--outcome", "approve", "--json").json["registrations"] == []
    [conflict] = judged("registrations", "list", "--conflicts", "--json").json["conflicts"]
    assert conflict["kind"] == "partner_vs_direct"
    [count] = judged("registrations", "list", "--conflicts", "--json").json["counts"]
    assert (count["kind"], count["conflicts"], count["open"], count["registrations"], count["of"]) == (
        "partner_vs_direct", 1, 1, 1, 1,
    )  # fmt: skip
    assert "Channel conflicts" in judged("registrations", "list", "--conflicts").out
    [row] = judged("registrations", "list", "--status", "expired", "--json").json["registrations"]
    assert (row["status"], row["deal_id"]) == ("expired", "opportunity_1")
    assert judged("registrations", "list", "--status", "won", "--json").json["registrations"] == []
    assert judged("registrations", "show", "r1", "--json").json["conflicts"][0]["evidence"][0] == "same_name"
    assert "opened before" in judged("registrations", "show", "r1").out


def test_a_person_decides_and_mistakes_are_told(judged: Cli) -> None:
    said = judged("registrations", "decide", "r1", "approve", "--by", "Hà", "--json").json["registration"]
    assert (said["outcome"], said["decided_by"]) == ("approve", "Hà")
    assert said["protected_until"] is not None
    assert "reject" in judged("registrations", "decide", "r1", "reject").out
    assert "approve or reject" in judged("registrations", "decide", "r1", "maybe", code=2).err
    assert "r9" in judged("registrations", "decide", "r9", "approve", code=2).err
    assert "r9" in judged("registrations", "show", "r9", code=2).err
    assert "one of under_review" in judged("registrations", "list", "--status", "yes", code=2).err
    assert "one of approve" in judged("registrations", "list", "--outcome", "yes", code=2).err
