"""Numbers asked of the warehouse for the assets' metadata and checks. Counts only, never values of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.warehouse import incentives, match_decisions, pacing, standing
from prm_sync.warehouse.offers import Book


@dataclass(frozen=True, slots=True)
class Held:
    """What of a stream is in quarantine: records left out, fields held back, and values that no mapping knows."""

    records: int
    fields: int
    unmapped: tuple[tuple[str, str, int], ...]  #: (canonical field, remote field, records)


def raw_rows(app: App, connection: str, stream: str) -> int:
    """Records of a stream as last received, deleted ones included: counted as they are staged."""
    statement = "SELECT coalesce(sum(records), 0) FROM raw.cursor WHERE connection = :c AND stream = :s"
    return int(_one(app, statement, c=connection, s=stream))


def held(app: App, connection: str, stream: str) -> Held:
    with app.db.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT field, coalesce(source, ''), code, count(DISTINCT remote_id) FROM ops.quarantine "
                "WHERE connection = :c AND stream = :s AND state = 'open' AND field <> 'push' "
                "GROUP BY 1, 2, 3 ORDER BY 4 DESC"
            ),
            {"c": connection, "s": stream},
        ).all()
    unmapped = tuple((r[0], r[1], r[3]) for r in rows if r[2] == "unmapped_value")
    return Held(sum(r[3] for r in rows if r[0] == "*"), sum(r[3] for r in rows if r[0] != "*"), unmapped)


def golden_rows(app: App, entity: str) -> int:
    table = app.tables.entities[entity].golden
    where = table.c.merged_into.is_(None) & table.c.deleted_at.is_(None)
    with app.db.begin() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one())


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Live records of one stream, and where they are as one entity. `selective`: `when` leaves some out on purpose."""

    connection: str
    stream: str
    received: int
    mapped: int
    quarantined: int
    selective: bool

    @property
    def lost(self) -> int:
        """Records that are nowhere: received, not mapped, not in quarantine, and not left out on purpose."""
        return 0 if self.selective else self.received - self.mapped - self.quarantined


def reconcile(app: App, entity: str, streams: Sequence[tuple[str, str, bool]]) -> list[Reconciled]:
    """`streams`: (connection, stream, whether the mapping has a `when`)."""
    source = f"core.{app.tables.entities[entity].source.name}"
    statement = sa.text(
        "SELECT (SELECT count(*) FROM raw.record "  # noqa: S608 the table's name is ours
        "WHERE connection = :c AND stream = :s AND deleted_at IS NULL), "
        f"(SELECT count(*) FROM {source} WHERE connection = :c AND stream = :s AND deleted_at IS NULL), "
        "(SELECT count(*) FROM ops.quarantine q JOIN raw.record r USING (connection, stream, remote_id) "
        " WHERE q.connection = :c AND q.stream = :s AND q.entity = :e AND q.field = '*' AND q.state = 'open' "
        f" AND r.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM {source} x WHERE x.connection = q.connection "
        "  AND x.stream = q.stream AND x.remote_id = q.remote_id AND x.deleted_at IS NULL))"
    )
    out = []
    with app.db.begin() as tx:
        for connection, stream, selective in streams:
            row = tx.execute(statement, {"c": connection, "s": stream, "e": entity}).one()
            out.append(Reconciled(connection, stream, row[0], row[1], row[2], selective))
    return out


def disputed(app: App, entity: str) -> list[tuple[str, str, int]]:
    """(field, kind, open conflicts) of an entity."""
    with app.db.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT field, kind, count(*) FROM ops.conflict WHERE entity = :e AND state = 'open' "
                "GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50"
            ),
            {"e": entity},
        )
        return [(r[0], r[1], r[2]) for r in rows]


def open_matches(app: App, entity: str) -> int:
    """Pairs of records that wait for a decision."""
    with app.db.begin() as tx:
        found = match_decisions.waiting(tx, entity, 1)
    return int(found[0]["waiting"]) if found else 0


def offers_by_state(app: App, book: Book) -> dict[str, int]:
    with app.db.begin() as tx:
        rows = tx.execute(sa.text(f"SELECT state, count(*) FROM {book.offers} GROUP BY 1 ORDER BY 1")).all()  # noqa: S608
        return {row[0]: row[1] for row in rows}


def over_capacity(app: App, since: datetime) -> list[tuple[str, int, int]]:
    """(partner id, offers since, weekly capacity) of partners who were offered more than they take in a week."""
    with app.db.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT p.id, count(*), p.weekly_capacity "
                "FROM ledger.lead_offer o JOIN core.partner p ON p.id = o.partner_id "
                "WHERE o.offered_at >= :since AND p.weekly_capacity IS NOT NULL "
                "GROUP BY p.id, p.weekly_capacity HAVING count(*) > p.weekly_capacity ORDER BY 2 DESC LIMIT 50"
            ),
            {"since": since},
        )
        return [(r[0], r[1], r[2]) for r in rows]


@dataclass(frozen=True, slots=True)
class Outbox:
    """What of a pushed stream is not done: changes by state, refusals, plans that wait for approval."""

    by_state: dict[str, int]
    refused: tuple[tuple[str, str, int], ...]  #: (the remote's code, its field, changes)
    held_plans: tuple[tuple[str, str], ...]  #: (plan id, why)


def outbox(app: App, connection: str, stream: str) -> Outbox:
    at = {"c": connection, "s": stream}
    with app.db.begin() as tx:
        states = tx.execute(
            sa.text(
                "SELECT state, count(*) FROM ops.outbox "
                "WHERE connection = :c AND stream = :s AND state NOT IN ('done', 'dropped') GROUP BY 1 ORDER BY 1"
            ),
            at,
        ).all()
        refused = tx.execute(
            sa.text(
                "SELECT coalesce(code, ''), coalesce(field, ''), count(*) FROM ops.outbox "
                "WHERE connection = :c AND stream = :s AND state = 'refused' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20"
            ),
            at,
        ).all()
        plans = tx.execute(
            sa.text(
                "SELECT id, coalesce(reason, '') FROM ops.plan "
                "WHERE connection = :c AND stream = :s AND state = 'held' ORDER BY created_at DESC LIMIT 20"
            ),
            at,
        ).all()
    return Outbox(
        {r[0]: r[1] for r in states}, tuple((r[0], r[1], r[2]) for r in refused), tuple((r[0], r[1]) for r in plans)
    )


def rows_of(app: App, table: str) -> int:
    """Rows of a table of ours; `table` is SQL."""
    return int(_one(app, f"SELECT count(*) FROM {table}"))  # noqa: S608 the names are ours


def won_in_other_currency(app: App) -> int:
    """Won deals that stand in another currency than the report's."""
    return int(_one(app, "SELECT coalesce(sum(other_currency), 0) FROM mart.partner_performance"))


def agreements(app: App) -> dict[str, int]:
    """Active partners by the state of their agreement."""
    with app.db.begin() as tx:
        return standing.by_state(tx)


def claims_in_doubt(app: App) -> int:
    with app.db.begin() as tx:
        states = incentives.by_state(tx)
    return sum(states.get(state, 0) for state in incentives.WRONG)


def stranded(app: App) -> tuple[int, date | None]:
    """(open leads that will have no eligible partner, last day before the first of them)."""
    with app.db.begin() as tx:
        row = tx.execute(
            sa.text(
                "SELECT coalesce(sum(stranded), 0), min(last_day) FROM (SELECT DISTINCT partner_id, last_day, stranded "
                "FROM mart.expiry_forecast WHERE stranded > 0) f"
            )
        ).one()
    return int(row[0]), row[1]


def behind_plan(app: App) -> int:
    """Targets behind plan of which enough of the period is over for an alert."""
    with app.db.begin() as tx:
        return pacing.behind(tx, app.policies.targets.alert_after)


def _one(app: App, statement: str, **values: Any) -> Any:
    with app.db.begin() as tx:
        return tx.execute(sa.text(statement), values).scalar_one()
