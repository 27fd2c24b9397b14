"""What must be true when the chaos is over: each check gives the sentences that say what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from workbench import Bench
from world import World

from prm_sync.flows.reconcile import KINDS, reconcile
from prm_sync.flows.report import State

# Canonical field -> (its field in the CRM, its place in the PRM). The CRM is written too: see test_chaos.MAPPING.
FIELDS = {"city": ("City", "meta", "city"), "need": ("Description", "fields", "need"),
          "industry": ("Industry", "fields", "industry"), "company": ("Company", "meta", "company")}  # fmt: skip
TO_BOTH = ("city", "need", "industry")


def wrong(bench: Bench, world: World) -> list[str]:
    """Everything that is not as it must be."""
    alive = "SELECT * FROM core.lead WHERE deleted_at IS NULL AND merged_into IS NULL"
    golden = {r["id"]: r for r in bench.rows(alive)}
    entity = {
        r["remote_id"]: r["entity_id"]
        for r in bench.rows("SELECT remote_id, entity_id FROM core.crosswalk WHERE entity = 'lead'")
    }
    held = {(r["entity_id"], r["field"]) for r in bench.rows("SELECT entity_id, field FROM ops.conflict "
                                                             "WHERE state = 'open'")}  # fmt: skip
    refused = {
        (r["entity_id"], name)
        for r in bench.rows("SELECT entity_id, after FROM ops.outbox WHERE state = 'refused'") for name in r["after"]
    }  # fmt: skip
    return [
        *_records(bench, world, golden, entity),
        *_offers(bench, world, golden),
        *_fields(bench, world, golden, entity, held, refused),
        *_queues(bench),
        *_entered(bench, world, golden, entity, held, refused),
        *_reconciled(bench),
    ]


def _records(bench: Bench, world: World, golden: dict[str, Any], entity: dict[str, str]) -> Iterator[str]:
    """Each lead of the CRM once, and none that is gone."""
    live = {r["Id"] for r in world.crm()}
    for lead in sorted(live):
        if entity.get(lead) not in golden:
            yield f"{lead} is in the CRM, and not a lead here (entity {entity.get(lead)})"
    for id_, n in Counter(entity[lead] for lead in live if lead in entity).items():
        if n > 1:
            yield f"{id_} stands for {n} records of the CRM"
    there = {r["remote_id"] for r in bench.rows("SELECT remote_id FROM raw.record WHERE stream = 'Lead' "
                                                "AND connection = 'crm' AND deleted_at IS NULL")}  # fmt: skip
    for lead in sorted(there ^ live):
        yield f"{lead} is {'here and not in the CRM' if lead in there else 'in the CRM and not here'}"
    query = """
        SELECT x.entity_id FROM core.crosswalk x JOIN raw.record r USING (connection, stream, remote_id)
        WHERE x.entity = 'lead' AND r.deleted_at IS NULL"""
    backed = {r["entity_id"] for r in bench.rows(query)}
    for id_ in sorted(golden.keys() - backed):
        yield f"{id_} is a lead here, and no system has it"


def _offers(bench: Bench, world: World, golden: dict[str, Any]) -> Iterator[str]:
    """Each offered lead once in the PRM, with the partner that it is offered to."""
    every = [r for r in bench.vendors.prm_leads(archived=None) if r["external_key"]]
    for key, n in Counter(r["external_key"] for r in every).items():
        if n > 1:
            yield f"{key} is {n} times in the PRM"
    shown = {r["external_key"]: r for r in every if not r["archived"]}
    states = {f"{o['lead_id']}:{o['rank']}": o for o in bench.offers()}
    queued = {r["target"] for r in bench.rows("SELECT target FROM ops.outbox WHERE state = 'refused'")}
    last = Counter[str]()
    for o in states.values():
        last[o["lead_id"]] = max(last[o["lead_id"]], o["rank"])
    for key, offer in states.items():
        id_, _, rank = key.partition(":")
        wanted = offer["state"] in ("pending", "accepted") and int(rank) == last[id_] and id_ in golden
        if wanted and key not in shown and key not in world.taken | queued:
            yield f"{key} is {offer['state']} and not in the PRM"
        if key in shown and key not in queued and offer["state"] in ("expired", "withdrawn"):
            yield f"{key} is {offer['state']} and still in the PRM"
        if wanted and key in shown.keys() - queued and shown[key]["partner_key"] != offer["partner_key"]:
            yield f"{key} is offered to {offer['partner_key']} and lies with {shown[key]['partner_key']}"
    for key in shown.keys() - states.keys():
        yield f"{key} is in the PRM, and was never offered"


def _fields(
    bench: Bench, world: World, golden: dict[str, Any], entity: dict[str, str], held: set[Any], refused: set[Any]
) -> Iterator[str]:
    """Both sides say what the warehouse says, or the field stands in a queue."""
    facts = {r["id"]: r for r in bench.rows("SELECT * FROM core.lead_facts")}
    offered = {f["offer_key"]: i for i, f in facts.items() if f["offer_state"] in ("pending", "accepted")}
    copies = {offered[r["external_key"]]: r for r in world.prm() if r["external_key"] in offered}
    for row in world.crm():
        id_ = entity.get(row["Id"])
        if id_ not in golden:
            continue
        for name in TO_BOTH:
            remote, value = FIELDS[name][0], golden[id_][name]
            if row.get(remote) != value and (id_, name) not in held and (id_, remote) not in refused:
                yield f"{row['Id']} {remote}: {row.get(remote)!r} in the CRM, {value!r} here ({id_}), in no queue"
        state = facts[id_]["offer_state"] if id_ in facts else None
        if row.get("Prm_Offer_Status__c") != state and (id_, "Prm_Offer_Status__c") not in refused and state:
            yield f"{row['Id']} Prm_Offer_Status__c: {row.get('Prm_Offer_Status__c')} in the CRM, {state} here ({id_})"
    for id_, copy in copies.items():
        for name, (_, part, inner) in FIELDS.items():
            if id_ not in golden or (id_, name) in held or (id_, f"{part}.{inner}") in refused:
                continue
            if (copy[part] or {}).get(inner) != golden[id_][name]:
                told = f"{(copy[part] or {}).get(inner)!r} in the PRM, {golden[id_][name]!r} here"
                yield f"{copy['external_key']} {inner}: {told}, in no queue"


def _queues(bench: Bench) -> Iterator[str]:
    """What was refused has a reason and stands in quarantine; nothing is half done."""
    unsettled = "SELECT id, state, target FROM ops.outbox WHERE state IN ('ready', 'sent', 'unknown', 'waiting')"
    for r in bench.rows(unsettled):
        yield f"change {r['id']} of {r['target']} is still {r['state']}"
    query = """
        SELECT o.id, o.target, o.code, o.message, q.reason FROM ops.outbox o LEFT JOIN ops.quarantine q
        ON q.connection = o.connection AND q.stream = o.stream AND q.remote_id IN (o.remote_id, o.target)
        AND q.field = 'push' AND q.state = 'open' WHERE o.state = 'refused'"""
    for r in bench.rows(query):
        if not (r["code"] and r["message"] and r["reason"]):
            yield f"change {r['id']} of {r['target']} was refused, and nothing says why"
    for r in bench.rows("SELECT remote_id, field FROM ops.quarantine WHERE state = 'open' AND reason = ''"):
        yield f"{r['remote_id']} {r['field']} is in quarantine without a reason"
    for r in bench.rows("SELECT id FROM ops.conflict WHERE state = 'open' AND jsonb_array_length(sides) < 2"):
        yield f"conflict {r['id']} does not say who is in conflict"
    query = """
        SELECT remote_id FROM raw.record r
        WHERE stream = 'Lead' AND deleted_at IS NULL AND payload ->> 'Status' LIKE '待定%' AND NOT EXISTS (SELECT
        FROM ops.quarantine q WHERE q.remote_id = r.remote_id AND q.field = 'status' AND q.state = 'open')"""
    for r in bench.rows(query):
        yield f"{r['remote_id']} has a status that no mapping knows, and is not in quarantine"


def _entered(
    bench: Bench, world: World, golden: dict[str, Any], entity: dict[str, str], held: set[Any], refused: set[Any]
) -> Iterator[str]:
    """Nothing is lost: the value that a person entered last is there, in all systems."""
    for row in world.crm():
        id_, values = entity.get(row["Id"]), world.entered.get(row["Id"], {})
        if id_ not in golden or row["Id"] in world.unsure or "City" not in values or (id_, "City") in refused:
            continue
        if row["City"] != values["City"]:
            yield f"{row['Id']} City: {values['City']!r} was entered last, {row['City']!r} is there ({id_})"


def _reconciled(bench: Bench) -> Iterator[str]:
    for connection, stream in (("crm", "Lead"), ("prm", "leads"), ("prm", "partnerships")):
        report = reconcile(bench.app, connection, stream)
        found = {kind: n for kind in KINDS if (n := report.numbers.get(kind))}
        if found or report.state not in (State.DONE,):
            [*_, last] = bench.rows("SELECT samples FROM ops.reconciliation ORDER BY at, run_id")
            yield f"reconcile {connection}.{stream}: {report.state} {found} {last['samples']} {report.message}"
