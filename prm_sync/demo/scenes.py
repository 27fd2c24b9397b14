"""What people decide in the demo: a match, a conflict, a mended record, a held plan. Each by the flow its command uses.

One of each kind is decided; where there are more, the others stay open for whoever looks at the demo afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.demo.folder import WHAT_IF
from prm_sync.demo.systems import Systems
from prm_sync.demo.words import PRODUCTS, TONGUES
from prm_sync.errors import PrmSyncError
from prm_sync.flows import match
from prm_sync.flows.approve import approve
from prm_sync.flows.refine import refine
from prm_sync.flows.replay import RecordKey, correct
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.simulate import simulate
from prm_sync.rules.identity import REASONS
from prm_sync.rules.routing import load_routing
from prm_sync.warehouse import conflicts, plans, quarantine
from prm_sync.warehouse.match_decisions import waiting

WHO = "demo"  #: who decides, as the queues keep it
CONFLICTS = 2  #: leads of which the CRM and the PRM are made to say different products


@dataclass(frozen=True, slots=True)
class Scene:
    """One decision: what waited, what was decided and what came of it, and the command that a person would use."""

    name: str  #: plan, match, conflict, quarantine, offered_again, masked, notice, case, simulate
    happened: str
    outcome: str
    command: str
    left_open: int  #: of the same queue, for whoever looks at it afterwards
    concerns: str  #: id of the plan, the conflict, the golden record; version of the policy


def two_say_different_things(app: App, remote: Systems) -> int:
    """The seller and the channel manager each change the product of leads that a partner took; returns how many."""
    with app.db.begin() as tx:
        found = tx.execute(
            sa.text(
                "SELECT l.product, crm.remote_id AS crm_id, prm.remote_id AS prm_id FROM core.lead l "
                "JOIN core.crosswalk crm ON crm.entity = 'lead' AND crm.entity_id = l.id AND crm.connection = 'crm' "
                "JOIN core.crosswalk prm ON prm.entity = 'lead' AND prm.entity_id = l.id AND prm.connection = 'prm' "
                "WHERE l.product = ANY(:known) AND EXISTS (SELECT FROM ledger.lead_offer o WHERE o.lead_id = l.id "
                " AND o.state = 'accepted') AND (SELECT count(*) FROM core.crosswalk x WHERE x.entity = 'lead' "
                " AND x.entity_id = l.id) = 2 ORDER BY l.id LIMIT :size"
            ),
            {"known": list(PRODUCTS), "size": CONFLICTS},
        ).all()
    rows = {row["key"]: row for row in remote.prm.control.snapshot()["leads"]} if found else {}
    for lead in found:
        now = PRODUCTS.index(lead.product)
        seller, manager = (PRODUCTS[(now + n) % len(PRODUCTS)] for n in (1, 2))
        remote.crm.control.do("edit", object="Lead", rows={lead.crm_id: {"Product_Interest__c": seller}})
        fields = {**rows[lead.prm_id]["fields"], "product": manager}
        remote.prm.control.do("edit_lead", lead_key=lead.prm_id, values={"fields": fields})
    return len(found)


def an_order_ships(app: App, remote: Systems) -> str:
    """An order of a partner's customer leaves with a carrier, and the CRM says so; returns its id there."""
    with app.db.begin() as tx:
        order_id = tx.execute(
            sa.text(
                "SELECT x.remote_id FROM core.\"order\" o JOIN core.crosswalk x ON x.entity = 'order' "
                "AND x.entity_id = o.id AND x.connection = 'crm' WHERE EXISTS (SELECT FROM core.crosswalk p "
                "WHERE p.entity = 'order' AND p.entity_id = o.id AND p.connection = 'portal') "
                "ORDER BY o.promised_date, o.id LIMIT 1"
            )
        ).scalar_one()
    shipped = {"Status": "Shipped", "Shipped_At__c": f"{remote.now():%Y-%m-%dT%H:%M:%S}.000+0000",
               "Carrier__c": "顺丰速运", "Tracking_Number__c": "SF-0711"}  # fmt: skip
    remote.crm.control.do("edit", object="Order", rows={order_id: shipped})
    return str(order_id)


def shipping_notice(app: App, order_id: str) -> Scene:
    """What its partner sees of it now. Raises PrmSyncError where that is not what the CRM says."""
    with app.db.begin() as tx:
        row = tx.execute(
            sa.text(
                "SELECT x.entity_id, r.payload FROM core.crosswalk x JOIN core.crosswalk p ON p.entity = 'order' "
                "AND p.entity_id = x.entity_id AND p.connection = 'portal' JOIN raw.record r "
                "ON r.connection = p.connection AND r.stream = p.stream AND r.remote_id = p.remote_id "
                "WHERE x.entity = 'order' AND x.connection = 'crm' AND x.remote_id = :id"
            ),
            {"id": order_id},
        ).one_or_none()
    seen = dict(row.payload) if row is not None else {}
    if seen.get("Status") != "shipped":
        raise PrmSyncError(f"demo: order {order_id} was shipped, and its partner does not see it")
    assert row is not None
    return Scene(
        "notice", f"order {seen['Order']} left with {seen['Carrier']}, promised for {seen['Promised']}",
        f"{seen['Partner']} has the notice: portal/shipping_notices.csv, and no amount and no preference in it",
        f"prm-sync sharing explain {row.entity_id} --entity order", 0, str(row.entity_id),
    )  # fmt: skip


def queues(app: App) -> Iterator[Scene]:
    """One of each queue is decided; golden records follow at once. A queue in which nothing waits has no scene."""
    for scene in (_match(app), _conflict(app), _quarantine(app)):
        if scene is not None:
            yield scene


def _match(app: App) -> Scene | None:
    with app.db.begin() as tx:
        pairs = waiting(tx, "contact")
    if not pairs:
        return None
    pair, left = pairs[0], len(pairs) - 1
    names = (pair["record_a"], pair["record_b"])
    records = match.pair_of(app, "contact", names)
    match.decide(app, "contact", "accept", records, WHO)
    entities = {r.entity_id for r in match.pair_of(app, "contact", names)}
    if len(entities) != 1:
        raise PrmSyncError("demo: the pair of contacts was accepted, and is still two")
    [entity_id] = entities
    why = ", ".join(REASONS.get(r, r) for r in pair["reasons"])
    return Scene(
        "match", f"two contacts may be one person, probability {pair['score']:.2f}: {why}",
        f"a person says that they are one: both are {entity_id} now, and a re-run does not ask again",
        f"prm-sync match accept contact {' '.join(names)}", left, str(entity_id),
    )  # fmt: skip


def _conflict(app: App) -> Scene | None:
    with app.db.begin() as tx:
        found = tx.execute(
            sa.text(
                "SELECT id, kind, entity, entity_id, field, sides, agreed FROM ops.conflict "
                "WHERE state = 'open' AND kind = 'both_changed' ORDER BY opened_at, id"
            )
        ).mappings().all()  # fmt: skip
    if not found:
        return None
    row = dict(found[0])
    said = {side["connection"]: side["value"] for side in row["sides"]}
    if not conflicts.resolve(app.db, row, said["crm"], WHO, app.clock()):
        raise PrmSyncError(f"demo: {row['id']} was decided by somebody else")
    refine(app, [row["entity"]])
    told = " and ".join(f'{name} "{value}"' for name, value in sorted(said.items()))
    return Scene(
        "conflict", f'both systems changed the {row["field"]} of {row["entity_id"]}, "{row["agreed"]}" before: {told}; '
        "nothing of it was written anywhere",
        f'a person takes what the CRM says; the next push tells the PRM "{said["crm"]}"',
        f"prm-sync conflict resolve {row['id']} --take crm", len(found) - 1, row["id"],
    )  # fmt: skip


def _quarantine(app: App) -> Scene | None:
    """A lead whose country nobody knows gets the one that its city is in."""
    chosen = quarantine.Chosen("crm", "Lead", field="country", push=False)
    with app.db.begin() as tx:
        left = quarantine.count(tx, chosen) - 1
        row = tx.execute(
            sa.text(
                # One that is still to be routed, so that the mended country makes a difference.
                "SELECT q.remote_id, q.reason, x.entity_id, r.payload ->> 'City' AS city, "
                "r.payload ->> 'Country' AS country FROM ops.quarantine q "
                "JOIN core.crosswalk x ON x.entity = 'lead' AND x.connection = 'crm' AND x.stream = 'Lead' "
                " AND x.remote_id = q.remote_id JOIN core.lead l ON l.id = x.entity_id "
                "JOIN raw.record r ON r.connection = 'crm' AND r.stream = 'Lead' AND r.remote_id = q.remote_id "
                "WHERE q.state = 'open' AND q.connection = 'crm' AND q.stream = 'Lead' AND q.field = 'country' "
                "AND r.payload ->> 'City' = ANY(:cities) ORDER BY (l.status = 'new') DESC, "
                "EXISTS (SELECT FROM ledger.lead_offer o WHERE o.lead_id = l.id), q.remote_id LIMIT 1"
            ),
            {"cities": list(_COUNTRY_OF)},
        ).one_or_none()
    if row is None:
        return None
    country = _COUNTRY_OF[row.city]
    done = correct(
        app, RecordKey("crm", "Lead", row.remote_id), {"Country": country}, by=WHO, note=f"{row.city} is there"
    )
    return Scene(
        "quarantine",
        f'the country "{row.country}" of lead {row.remote_id} is none that we know: the field waits in quarantine',
        f"a person writes {country}, and the record is mapped again: {done.resolved} of its troubles gone, "
        f"{done.still} left; {row.entity_id} can be routed by its country now",
        f'prm-sync quarantine edit crm Lead {row.remote_id} --set "Country={country}"', left, row.entity_id,
    )  # fmt: skip


def release(app: App, held: FlowReport) -> tuple[FlowReport, Scene]:
    """Approve the plan that this push holds back. Raises PrmSyncError where it is not as it was any more."""
    with app.db.begin() as tx:
        waiting_plans = [p for p in plans.latest(tx, 20, plans.OPEN) if p.state == "held"]
    waits = [p for p in waiting_plans if f"{p.connection}.{p.stream}" == held.target]
    if not waits:
        raise PrmSyncError(f"demo: {held.target} was held, and no plan waits: {held.message}")
    plan = waits[0]
    done = approve(app, plan.id, WHO)
    if done.report.state is not State.DONE:
        raise PrmSyncError(f"demo: {plan.id} was not applied: {done.report.message}")
    return done.report, Scene(
        "plan", f"the push to {held.target} {plan.reason}: nothing of it was sent",
        f"a person looks at it (prm-sync plan {held.target}) and releases exactly that: "
        f"{done.report.numbers.get('written', 0):,} records written",
        f"prm-sync approve {plan.id}", len(waits) - 1, plan.id,
    )  # fmt: skip


def what_if(app: App, folder: Path, month: datetime) -> Scene:
    """The leads of that month by a routing policy that is not in force: nothing is written and nothing is sent."""
    first = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = simulate(app, load_routing(folder / WHAT_IF), first)
    return Scene(
        "simulate", f"{found.leads:,} leads of {found.month} once more, dealt in turn and not to the best ({WHAT_IF})",
        f"{found.moved:,} of them would be with somebody else; {found.routed_changed:,} with a partner, "
        f"{found.routed:,} by the policy in force",
        f"prm-sync simulate --policy {WHAT_IF} --month {found.month}", 0, found.rule_version_changed,
    )  # fmt: skip


#: City -> its country as people write it there.
_COUNTRY_OF: Mapping[str, str] = {
    city: place.written[0] for tongue in TONGUES for place in tongue.places for city, _, _ in place.cities
}

