"""Between the warehouse and the rules: rows of an entity's records to survivorship and authority, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from prm_sync.canonical.model import Entity, Kind
from prm_sync.rules.authority import Clash, Decision, Judge
from prm_sync.rules.survivorship import UNCHANGED, Change, Member, compact, is_null
from prm_sync.warehouse.conflicts import ClashRow
from prm_sync.warehouse.field_times import MemberRow
from prm_sync.warehouse.golden import GoldenRow, Survive


def surviving(entity: Entity, judge: Judge, shared: Collection[str]) -> Survive:
    """Survivorship and authority of one entity, as the warehouse asks for it.

    `shared`: fields that more than one system may change.
    """
    made_at = next((n for n, f in enumerate(entity.fields) if f.name == "created_at"), None)

    def survived(entity_id: str, rows: Sequence[MemberRow], decided: Mapping[str, Any]) -> GoldenRow:
        members = [
            Member(
                m.connection, m.stream, m.remote_id, m.values, m.base_time or m.remote_time,
                m.values[made_at] if made_at is not None else None, _changes(entity, m.changed) if m.changed else None,
            )
            for m in _speaking(entity, rows, [f for f in shared if f not in decided])
        ]  # fmt: skip
        judged = judge(members, {f: _decision(entity, f, row) for f, row in decided.items()} if decided else {})
        values, provenance = judged.golden
        clashes = tuple(_row(c, entity_id) for c in judged.clashes)
        return GoldenRow(values, compact(provenance), clashes, judged.settled)

    return survived


def _speaking(entity: Entity, rows: Sequence[MemberRow], shared: Collection[str]) -> list[MemberRow]:
    """The records that say something: those that are there, and of our own copies that are gone their last words.

    A copy is taken away when its offer ends. What somebody changed in it and no other system took over yet would be
    lost with it, so it counts until another record changes the field, or a person decides. And what only repeats what
    we wrote does not bring back a value that was cleared where it came from.
    """
    live = [m for m in rows if m.deleted_at is None]
    if not live:
        return list(rows)
    cleared = _cleared(entity, live, shared)
    out = [_without(entity, m, {f for f in cleared if _repeats_us(m, f)}) for m in live] if cleared else live
    for gone in (m for m in rows if m.deleted_at is not None):
        words = {
            f for f, c in (gone.changed or {}).items()
            if f in shared and c["at"] is not None and "before" in c and not any(_later(m, f, c["at"]) for m in live)
        }  # fmt: skip
        if words:
            out = [*out, _without(entity, gone, entity.by_name.keys() - words)]
    return out


def _cleared(entity: Entity, members: Sequence[MemberRow], shared: Collection[str]) -> set[str]:
    """Fields that somebody emptied since all systems agreed on a value."""
    place = {f.name: n for n, f in enumerate(entity.fields)}
    return {
        f for m in members for f, c in (m.changed or {}).items()
        if f in shared and c["at"] is not None and not is_null(c.get("before")) and is_null(m.values[place[f]])
    }  # fmt: skip


def _repeats_us(member: MemberRow, field: str) -> bool:
    change = (member.changed or {}).get(field)
    return change is not None and change["at"] is None


def _without(entity: Entity, member: MemberRow, fields: Collection[str]) -> MemberRow:
    """The record, silent about these fields."""
    if not fields:
        return member
    values = (None if f.name in fields else v for f, v in zip(entity.fields, member.values, strict=True))
    return replace(member, values=tuple(values))


def _later(member: MemberRow, field: str, at: str) -> bool:
    changed = (member.changed or {}).get(field, {}).get("at")
    return changed is not None and datetime.fromisoformat(changed) >= datetime.fromisoformat(at)


def typed(entity: Entity, field: str, value: Any) -> Any:
    """A canonical value that was kept as JSON."""
    kind = entity.by_name[field].kind
    if isinstance(value, str) and kind is Kind.INSTANT:
        return datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(value, str) and kind is Kind.DATE:
        return date.fromisoformat(value)
    return value


def _changes(entity: Entity, changed: Mapping[str, Mapping[str, Any]]) -> dict[str, Change]:
    return {
        field: Change(_at(c["at"]), typed(entity, field, c["before"]) if "before" in c else UNCHANGED)
        for field, c in changed.items() if field in entity.by_name
    }  # fmt: skip


def _at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _decision(entity: Entity, field: str, row: Any) -> Decision:
    return Decision(typed(entity, field, row.value), {side["record"]: _at(side["at"]) for side in row.sides})


def _row(clash: Clash, entity_id: str) -> ClashRow:
    sides = [
        {"connection": s.connection, "record": s.record, "value": s.value, "at": s.at, "before": s.before}
        for s in clash.sides
    ]
    return ClashRow(
        clash.id(entity_id), entity_id, clash.field, sides, clash.agreed, clash.rule, clash.open, clash.winner
    )
