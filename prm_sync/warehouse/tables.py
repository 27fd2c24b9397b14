"""Every table of the warehouse. The entity tables are made from the field table; comments come from its docs.

Five schemas: `raw` (as received), `core` (canonical, golden, history, crosswalk), `ops` (runs, outbox, quarantine ...),
`ledger` (decisions), `mart` (what analysts read; views in `views.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity, Field, Kind
from prm_sync.warehouse import (
    agreement,
    tables_deals,
    tables_partners,
    tables_plans,
    tables_registrations,
    tables_repair,
    tables_routing,
    tables_signals,
)
from prm_sync.warehouse.match_tables import match_tables

SCHEMAS = {
    "raw": "Records exactly as the remote systems wrote them, and how far each stream was read",
    "core": "The canonical model: one row per remote record (_source), golden records, their past, the crosswalk",
    "ops": "How the machine runs: runs, outbox, writes, quarantine, plans, budgets, alerts",
    "ledger": "Decisions: who was offered which lead, and why",
    "mart": "What analysts read: stable names, documented, without personal data",
}

_SQL: dict[Kind, sa.types.TypeEngine[Any]] = {
    Kind.MONEY: sa.BigInteger(),
    Kind.NUMBER: sa.Double(),
    Kind.INTEGER: sa.BigInteger(),
    Kind.BOOLEAN: sa.Boolean(),
    Kind.DATE: sa.Date(),
    Kind.INSTANT: sa.DateTime(timezone=True),
    Kind.TEXTS: pg.ARRAY(sa.Text()),
}
INSTANT = sa.DateTime(timezone=True)
MATCH_KEYS = ("key_1", "key_2", "key_3", "key_4")  #: columns of the exact keys: equal key, same entity


def column_of(field: Field) -> sa.Column[Any]:
    """The column of a canonical field, with its doc, privacy class and requirement as comment."""
    notes = [field.doc]
    if field.choices:
        notes.append(f"one of {', '.join(field.choices)}")
    if field.entity:
        notes.append(f"'<connection>:<remote id>' of a {field.entity}; join core.crosswalk")
    notes.append(f"PII: {field.pii}" + (f"; {field.req}" if field.req else ""))
    return sa.Column(field.name, _SQL.get(field.kind, sa.Text()), comment=". ".join(notes))


def _key(name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), primary_key=True, comment=comment)


def _need(name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=False, comment=comment)


def _may(name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), comment=comment)


def _touched(comment: str) -> sa.Column[Any]:
    return _need("touched", comment, sa.BigInteger())


def _record_key() -> tuple[sa.Column[Any], ...]:
    """The remote id leads the key: the other two hardly differ, and comparing them first cost a third of a load."""
    return (
        _need("connection", "Connection the record was pulled over"),
        _need("stream", "Stream of the connection"),
        _need("remote_id", "The record's id in the remote system"),
    )


def _by_record(*more: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("remote_id", "connection", "stream", *more)


@dataclass(frozen=True, slots=True)
class EntityTables:
    """The three tables of one entity."""

    entity: Entity
    source: sa.Table
    golden: sa.Table
    past: sa.Table


@dataclass(frozen=True, slots=True)
class Tables:
    """The warehouse of a set of entities."""

    metadata: sa.MetaData
    entities: Mapping[str, EntityTables]

    def __getitem__(self, name: str) -> sa.Table:
        return self.metadata.tables[name]


def build(entities: Mapping[str, Entity] = ENTITIES) -> Tables:
    """The tables for these entities; the machine's own tables are always the same."""
    metadata = sa.MetaData()
    _raw(metadata)
    made = {name: _entity(metadata, entity) for name, entity in entities.items()}
    _core(metadata)
    match_tables(metadata)
    _ops(metadata)
    agreement.tables(metadata)
    _ledger(metadata)
    _mart(metadata)
    tables_repair.add(metadata)
    tables_plans.add(metadata)
    tables_registrations.add(metadata)
    tables_partners.add(metadata)
    tables_deals.add(metadata)
    tables_signals.add(metadata)
    return Tables(metadata, made)


def _raw(metadata: sa.MetaData) -> None:
    seq = sa.Sequence("record_seq", schema="raw", metadata=metadata)
    sa.Table(
        "record", metadata,
        *_record_key(),
        _need("payload", "The record as received, NUL characters removed", pg.JSON()),
        _need("hash", "BLAKE2b-128 of the payload: the same hash is no change", sa.LargeBinary()),
        sa.Column("seq", sa.BigInteger(), seq, server_default=seq.next_value(), nullable=False,
                  comment="Order in which changes were staged"),
        _may("remote_time", "Time of the last change, as the remote says", INSTANT),
        _need("seen_at", "Start of the read in which this payload was first seen", INSTANT),
        _may("deleted_at", "When the remote was first seen to have deleted it", INSTANT),
        _may("run_id", "Run that staged it"),
        _by_record(),
        sa.Index("record_by_seq", "connection", "stream", "seq"),
        schema="raw", comment="One row per remote record, as last received",
    )  # fmt: skip
    sa.Table(
        "cursor", metadata,
        _key("connection", "Connection"), _key("stream", "Stream"),
        _may("cursor", "The connector's position; null: read in full", pg.JSONB()),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0",
                  comment="Raised by each run that takes the stream; a page of an older run is refused"),
        sa.Column("mapped_seq", sa.BigInteger(), nullable=False, server_default="0",
                  comment="raw.record rows up to this seq went through the mapping"),
        _may("mapping_hash", "Mappings that they went through; another hash: map again"),
        _may("key_field", "Field that holds the remote id"),
        _may("modified_field", "Field that holds the time of the last change"),
        _may("holder", "Run that holds the fence"),
        _may("full_read_at", "Start of the last complete full read", INSTANT),
        _may("read_at", "Start of the last read that came to its end", INSTANT),
        sa.Column("records", sa.BigInteger(), nullable=False, server_default="0", comment="Rows in raw.record"),
        schema="raw", comment="How far each stream was read",
    )  # fmt: skip


def _entity(metadata: sa.MetaData, entity: Entity) -> EntityTables:
    arrival = metadata._sequences.get("core.arrival_seq")  # noqa: SLF001 there is no public way to ask for it
    arrival = arrival or sa.Sequence("arrival_seq", schema="core", metadata=metadata)
    name = entity.name
    source = sa.Table(
        f"{name}_source", metadata,
        *_record_key(),
        sa.Column("arrived", sa.BigInteger(), server_default=arrival.next_value(), nullable=False,
                  comment="Order in which records were first mapped"),
        _touched("Change number of the last change of this row"),
        _may("remote_time", "Time of the last change, as the remote says", INSTANT),
        _may("deleted_at", "When the remote was first seen to have deleted it", INSTANT),
        *(_may(k, f"Hash of exact key {n} of policies/identity.yaml", sa.BigInteger())
          for n, k in enumerate(MATCH_KEYS, 1)),
        *(column_of(f) for f in entity.fields),
        _by_record(),
        sa.Index(f"{name}_source_touched", "touched"), sa.Index(f"{name}_source_arrived", "arrived"),
        *(sa.Index(f"{name}_source_{k}", k, postgresql_where=sa.text(f"{k} IS NOT NULL")) for k in MATCH_KEYS),
        schema="core", comment=f"One row per remote record that is a {name}, in canonical form. {entity.doc}",
    )  # fmt: skip
    golden = sa.Table(
        name, metadata,
        _key("id", "Stable id of the entity"),
        *(column_of(f) for f in entity.fields),
        _need("provenance",
              "Where each field came from: {field: '<connection>/<stream>/<remote id>'}, '*' for all others",
              pg.JSONB()),
        _need("sources", "Number of remote records behind it", sa.Integer()),
        _need("arrived", "Arrival number of its oldest record", sa.BigInteger()),
        _touched("Change number of the last change of this row"),
        _need("valid_from", "Since when the values hold", INSTANT),
        _may("deleted_at", "When its last remote record was deleted", INSTANT),
        _may("merged_into", "The entity it was found to be the same as"),
        sa.Index(f"{name}_touched", "touched"),
        sa.Index(f"{name}_merged", "merged_into", postgresql_where=sa.text("merged_into IS NOT NULL")),
        schema="core", comment=f"Golden records. {entity.doc}",
    )  # fmt: skip
    past = sa.Table(
        f"{name}_past", metadata,
        _key("id", "Id of the entity"), _key("version", "Change number of the superseded row", sa.BigInteger()),
        *(column_of(f) for f in entity.fields),
        _need("provenance", "Where each field came from", pg.JSONB()),
        _need("valid_from", "Since when the values held", INSTANT), _need("valid_to", "Until when", INSTANT),
        schema="core", comment=f"Superseded golden records; core.{name}_history shows them with the present ones",
    )  # fmt: skip
    return EntityTables(entity, source, golden, past)


def _core(metadata: sa.MetaData) -> None:
    sa.Sequence("change_seq", schema="core", metadata=metadata)
    sa.Table(
        "crosswalk", metadata,
        *_record_key(), _need("entity", "Kind of entity"),
        _need("entity_id", "What we think the record is"),
        _need("matched_by", "Why: new, exact_key, external_id, likeness, merged, split, pushed"),
        _need("score", "How sure, 0 to 1", sa.Double()),
        _need("since", "Since when", INSTANT),
        _by_record("entity"),
        sa.Index("crosswalk_by_entity", "entity_id"),
        sa.Index("crosswalk_pushed", "connection", "stream", postgresql_where=sa.text("matched_by = 'pushed'")),
        schema="core", comment="Which remote record is which entity",
    )  # fmt: skip
    sa.Table(
        "progress", metadata,
        _key("step", "What was done: 'refine:<entity>', 'route', 'push:<connection>:<stream>'"),
        _need("upto", "Changes up to this number are done", sa.BigInteger()),
        _need("policy_hash", "Configuration they were done with; another hash: do all again"),
        schema="core", comment="How far each step has come",
    )  # fmt: skip


def _ops(metadata: sa.MetaData) -> None:
    sa.Table(
        "run", metadata,
        _key("id", "Id of the run"), _need("verb", "What was run: pull, refine, route, push, measure"),
        _need("target", "Connection and stream, entity, or empty"),
        _need("state", "running, done, partial, held, failed"),
        _need("started_at", "Start", INSTANT), _may("ended_at", "End", INSTANT),
        sa.Column("counts", pg.JSONB(), nullable=False, server_default="{}", comment="What was done, in numbers"),
        _may("message", "What went wrong, where, and what to do"),
        _may("dagster_run_id", "The Dagster run, if there is one"),
        sa.Index("run_by_start", "started_at"),
        schema="ops", comment="One row per flow that was run",
    )  # fmt: skip
    sa.Table(
        "quarantine", metadata,
        *_record_key(), _need("entity", "Entity it was to become"),
        _need("field", "Canonical field that is held back; '*': the whole record; 'push': refused by the remote"),
        _need("code", "Kind of trouble"), _need("class", "transient, fixable or permanent"),
        _need("reason", "In words, without values"), _may("source", "Remote field concerned"),
        _may("mapping_hash", "Mapping that refused it"), _need("state", "open or resolved"),
        _need("first_seen_at", "First time", INSTANT), _need("last_seen_at", "Last time", INSTANT),
        _may("run_id", "Run"),
        _by_record("entity", "field"),
        sa.Index("quarantine_open", "connection", "stream", postgresql_where=sa.text("state = 'open'")),
        schema="ops", comment="Records and fields that could not be used; the payload is in raw.record",
    )  # fmt: skip
    sa.Table(
        "outbox", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order of the intents"),
        sa.Column("token", sa.Text(), nullable=False, unique=True, comment="Idempotency token of the change"),
        _need("connection", "Where to"), _need("stream", "Stream"), _need("entity", "Kind of entity"),
        _need("entity_id", "Entity"), _need("target", "Remote id it is for; empty: a record to be made"),
        _need("op", "upsert or delete"), _need("values", "Remote fields to set", pg.JSONB()),
        _may("before", "Changed fields as last observed (flat names)", pg.JSONB()),
        _may("after", "The same as desired", pg.JSONB()),
        _may("match_field", "Remote field to match on before a record is made"), _may("match_value", "Its value"),
        _may("remote_id", "Id in the remote system, once known"),
        _need("state", "ready, sent, unknown, waiting, done, refused, dropped"),
        _may("code", "The remote's code"),
        _may("message", "The remote's words"), _may("field", "Remote field concerned"),
        _may("class", "Of a refusal: transient, fixable, permanent"), _may("ticket", "Job that will tell", pg.JSONB()),
        _may("revoked", "Canonical fields that it takes back from a partner", pg.ARRAY(sa.Text())),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0", comment="Times sent"),
        _may("next_try_at", "Not before", INSTANT), _may("plan_id", "Plan it belongs to"),
        _may("run_id", "Run that sent it"),
        _need("created_at", "When it was decided", INSTANT), _may("settled_at", "When its outcome was known", INSTANT),
        sa.Index("outbox_by_target", "connection", "stream", "entity_id", "id"),
        sa.Index("outbox_open", "connection", "stream", "state",
                 postgresql_where=sa.text("state not in ('done', 'dropped')")),
        schema="ops", comment="Every change meant for a remote system, written down before it is sent",
    )  # fmt: skip
    sa.Table(
        "write_log", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order"),
        _need("at", "When the remote confirmed it", INSTANT), _need("connection", "Where"), _need("stream", "Stream"),
        _need("remote_id", "Record"), _need("entity", "Kind of entity"), _need("entity_id", "Entity"),
        _need("field", "Remote field"),
        _may("old", "Value before, as observed", pg.JSONB()), _may("new", "Value written", pg.JSONB()),
        _need("rule", "Mapping that made it"), _may("run_id", "Run"), _may("plan_id", "Plan"),
        sa.Index("write_log_by_record", "connection", "stream", "remote_id"),
        schema="ops", comment="Every field that was written to a remote system",
    )  # fmt: skip
    sa.Table(
        "plan", metadata,
        _key("id", "Id of the plan"), _need("connection", "Where to"), _need("stream", "Stream"),
        _may("entity", "Kind of entity"), _may("hash", "SHA-256 of every change: the same hash is the same plan"),
        _need("state", "shown, held, released (within its limits), approved, applied, superseded"),
        _need("counts", "create, update, delete, skip, conflict", pg.JSONB()),
        _may("reason", "Why it is held"), _need("created_at", "When", INSTANT), _may("approved_at", "When", INSTANT),
        _may("approved_by", "Who"), _may("run_id", "Run that made it"),
        schema="ops", comment="What was to be changed in one go: shown, held, approved or within its limits",
    )  # fmt: skip
    sa.Table(
        "share_log", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order"),
        _need("at", "When", INSTANT), _need("connection", "Where to"), _need("stream", "Stream"),
        _need("entity", "Kind of entity"),
        _need("entity_id", "Entity"), _may("partner_key", "Partner who can see it"),
        _need("fields", "Canonical fields that left, or were taken back; '*': all", pg.ARRAY(sa.Text())),
        _need("policy_hash", "Sharing policy"),
        _may("run_id", "Run"), _may("target", "Remote id it is for, or the offer's key"),
        sa.Column("kind", sa.Text(), nullable=False, server_default="shared",
                  comment="shared, or revoked: blanked or deleted at the remote"),
        _may("purpose", "What for, as the policy says"),
        _may("masked", "Of the fields those that left in another form: field=mask", pg.ARRAY(sa.Text())),
        sa.Index("share_log_by_entity", "entity_id"),
        schema="ops", comment="What left for partners, and what was taken back",
    )  # fmt: skip
    sa.Table(
        "forgotten", metadata,
        _key("hash", "Keyed hash of the e-mail address, or of the record's connection, stream and id"),
        _need("kind", "email or record"), _need("at", "When", INSTANT), _need("run_id", "Run that forgot the person"),
        schema="ops", comment="Who was forgotten: what is known of them is that they must not come back",
    )  # fmt: skip
    sa.Table(
        "budget", metadata,
        _key("connection", "Connection"), _key("limit_name", "Limit"),
        _need("state", "Tokens left and when they were counted", pg.JSONB()),
        schema="ops", comment="Calls that a connection may still make, shared by all processes",
    )  # fmt: skip
    sa.Table(
        "alert", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order"),
        _need("at", "When", INSTANT), _need("kind", "What kind"), _need("subject", "What it is about"),
        _need("message", "What happened, where, what to do"), _may("dagster_run_id", "Dagster run"),
        _may("delivered_at", "When the webhook took it", INSTANT),
        schema="ops", comment="What somebody should look at",
    )  # fmt: skip
    sa.Table(
        "field_lineage", metadata,
        _key("connection", "Connection"), _key("stream", "Stream"), _key("entity", "Entity"),
        _key("field", "Canonical field"),
        _key("source", "Remote field"), _key("direction", "in (pull) or back (push)"),
        _need("transform", "What is done to the value"),
        schema="ops", comment="Which remote field becomes which canonical field, and back",
    )  # fmt: skip


def _ledger(metadata: sa.MetaData) -> None:
    tables_routing.add(metadata)
    sa.Table(
        "offer_event", metadata,
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True, comment="Order"),
        _need("offer_id", "Offer of a lead or a case"), _need("at", "When it happened, as its source says", INSTANT),
        _need("event", "offered, accepted, declined, expired, withdrawn, stage, reopened, closed, overdue"),
        _need("applied", "False: too late or not allowed; kept, moved nothing", sa.Boolean()),
        _may("note", "Why it moved nothing, or the partner's reason"), _may("run_id", "Run"),
        sa.Index("offer_event_by_offer", "offer_id"),
        schema="ledger", comment="Everything that was said about an offer",
    )  # fmt: skip


def _mart(metadata: sa.MetaData) -> None:
    count = sa.BigInteger()
    number: sa.types.TypeEngine[Any] = sa.Double()
    sa.Table(
        "partner_performance", metadata,
        _key("partner_id", "Partner"), _key("period", "First day of the month", sa.Date()),
        _need("offered", "Offers made in the month", count), _need("accepted", "Of these accepted", count),
        _need("declined", "Of these declined", count), _need("expired", "Of these run out", count),
        _may("acceptance_rate", "accepted / (accepted + declined + expired); null without an answer", number),
        _may("response_hours", "Median hours from offer to answer", number),
        _need("won", "Deals and leads won in the month", count),
        _need("lost", "Deals and leads lost in the month", count),
        _may("win_rate", "won / (won + lost); null without a closed deal", number),
        _need("sourced_revenue", "Won with primary credit `sourced`, by close date, minor units", count),
        _need("influenced_revenue", "Won with credit `influenced`; never to be added to sourced", count),
        _need("currency", "Reporting currency; deals in another one are counted in `other_currency`"),
        _need("other_currency", "Won deals left out of the revenue since they are in another currency", count),
        _may("target", "Revenue target of the month, minor units", count),
        _may("attainment", "sourced_revenue / target; null without a target", number),
        _may("score", "Partner score of the quarter up to the month, 0 to 100; null where nothing is known", number),
        sa.Column("cases", count, nullable=False, server_default="0",
                  comment="Cases given to the partner in the month"),
        _may("case_response_hours", "Median hours from a case's offer to the first answer to the customer", number),
        _may("case_resolution_hours", "Median hours from the opening of a case to its solution", number),
        _need("definition_version", "Version of these definitions"), _need("as_of", "When it was computed", INSTANT),
        _touched("Change number of the last change of this row"),
        sa.Index("partner_performance_touched", "touched"),
        schema="mart", comment="Performance per partner and month",
    )  # fmt: skip
