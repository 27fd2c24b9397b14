"""The org in memory: tables with their rows, what a write does to them, and the side effects that Salesforce has.

Each table keeps its (SystemModstamp, Id) pairs in order, so that the query of an incremental read costs what it gives.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from .derived import derive
from .errors import Fault, RowRefused
from .schema import OBJECTS, Column, SObject
from .values import id18, moment_of, stamp, stored

Row = dict[str, Any]
ORG_ID: Final = id18("00DdL0000000001")
ADMIN_ID: Final = id18("005dL0000000001")
DELETED_KEPT: Final = timedelta(days=15)  #: how far back getDeleted reaches (REST API guide, "sObject Get Deleted")
ASSIGNED: Final = ("Lead", "Case")  #: objects with assignment rules


@dataclass
class Table:
    """The rows of one object, also those in the recycle bin; purged ones leave only their line in `gone`."""

    object: SObject
    rows: dict[str, Row] = field(default_factory=dict)
    by_stamp: list[tuple[str, str]] = field(default_factory=list)
    keys: dict[str, dict[str, list[str]]] = field(default_factory=dict)  #: external id -> lower-case value -> ids
    gone: list[tuple[str, str]] = field(default_factory=list)  #: (deletedDate, id)
    next_number: int = 1

    def __post_init__(self) -> None:
        self.keys = {c.name: {} for c in self.object.columns.values() if c.external or c.unique}

    def new_id(self) -> str:
        while True:
            fresh = id18(f"{self.object.prefix}dL{self.next_number:010d}")
            self.next_number += 1
            if fresh not in self.rows:
                return fresh

    def put(self, row: Row) -> None:
        """Set the row under its Id, with all indexes."""
        old = self.rows.get(row["Id"])
        if old is not None:
            self._forget(old)
        self.rows[row["Id"]] = row
        place = (row["SystemModstamp"], row["Id"])
        if not self.by_stamp or place > self.by_stamp[-1]:
            self.by_stamp.append(place)
        else:
            insort(self.by_stamp, place)
        if not row.get("IsDeleted"):
            for name, index in self.keys.items():
                if row.get(name) is not None:
                    index.setdefault(str(row[name]).lower(), []).append(row["Id"])

    def drop(self, row_id: str) -> None:
        self._forget(self.rows.pop(row_id))

    def _forget(self, row: Row) -> None:
        del self.by_stamp[bisect_left(self.by_stamp, (row["SystemModstamp"], row["Id"]))]
        for name, index in self.keys.items():
            key = str(row.get(name)).lower()
            if row["Id"] in index.get(key, ()):
                index[key].remove(row["Id"])
                if not index[key]:
                    del index[key]


class Org:
    """All tables. Calls of one thread at a time: `lock` is held by whoever serves a request."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now, self.lock = now, threading.RLock()
        self.tables = {name: Table(o) for name, o in OBJECTS.items()}
        self.queues: set[str] = {id18("00GdL0000000001")}
        self.hidden: dict[str, set[str]] = {}  #: object -> fields that field-level security hides
        self.assignment_owner: str | None = None  #: whom the active assignment rule gives leads and cases to
        self.locked: dict[str, int] = {}  #: id or external id value -> writes that still meet UNABLE_TO_LOCK_ROW
        self.duplicate_rule: str = "off"  #: off | allow | block: leads with the same e-mail address
        self.late_s: float = 0.0  #: how much older a write's SystemModstamp is than its commit (long transactions)
        self.delete_log_from: datetime | None = None  #: earliestDateAvailable, where the log was trimmed
        self._undo: list[Callable[[], None]] | None = None
        self._seed()

    def _seed(self) -> None:
        first = {"Id": ORG_ID, "Name": "Northwind Traders", "OrganizationType": "Developer Edition", "IsSandbox": True}
        self.load("Organization", [{**first, "InstanceName": "EMU1", "DefaultLocaleSidKey": "en_US"}])
        admin = {"Id": ADMIN_ID, "Username": "integration@northwind.example", "LastName": "Integration"}
        more = {"Email": "integration@northwind.example", "Alias": "integ", "IsActive": True, "UserType": "Standard"}
        self.load("User", [{**admin, **more}])

    # --- looking ------------------------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """Raises Fault NOT_FOUND, as an unknown object in a path does."""
        found = self.tables.get(name) or next((t for n, t in self.tables.items() if n.lower() == name.lower()), None)
        if found is None:
            raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
        return found

    def column(self, table: Table, name: str) -> Column | None:
        column = table.object.by_lower.get(name.lower())
        return None if column is None or column.name in self.hidden.get(table.object.name, ()) else column

    def live(self, table: Table, row_id: str) -> Row:
        """The row that may be written. Raises RowRefused where it is not there, or in the recycle bin."""
        row = table.rows.get(id18(row_id)) if len(row_id) in (15, 18) else None
        if row is None:
            if len(row_id) in (15, 18) and row_id.startswith(table.object.prefix):
                raise RowRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)
            raise RowRefused("MALFORMED_ID", f"{table.object.name} ID: id value of incorrect type: {row_id}", ["Id"])
        if row.get("IsDeleted"):
            raise RowRefused("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return row

    def by_key(self, table: Table, name: str, value: str) -> list[Row]:
        """The rows not deleted whose field has this value; external ids compare without case."""
        if name == "Id":
            row = table.rows.get(id18(value)) if len(value) in (15, 18) else None
            return [row] if row and not row.get("IsDeleted") else []
        if name in table.keys:
            return [table.rows[found] for found in table.keys[name].get(value.lower(), ())]
        wanted = value.lower()
        return [r for r in table.rows.values() if str(r.get(name)).lower() == wanted and not r.get("IsDeleted")]

    # --- writing ------------------------------------------------------------------------------------------------

    def insert(
        self, name: str, values: Mapping[str, Any], *, csv: bool = False, assign: bool = True, allow: bool = False
    ) -> str:
        table = self.table(name)
        checked = self._checked(table, values, csv)
        missing = [
            c.name
            for c in table.object.columns.values()
            if c.required and c.default is None and checked.get(c.name) is None
        ]
        if missing:
            raise RowRefused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
        self._meet_lock([str(v) for n, v in checked.items() if table.object.columns[n].external])
        self._meet_duplicates(table, checked, allow)
        row = {n: c.default for n, c in table.object.columns.items() if c.default is not None}
        row_id = table.new_id()
        moment = self._moment()
        row |= {"Id": row_id, "CreatedDate": moment, "CreatedById": ADMIN_ID, "OwnerId": ADMIN_ID, "IsDeleted": False}
        row |= checked
        self._assign(table, row, assign)
        self._commit(table, row, None, moment)
        return row_id

    def update(
        self, name: str, row_id: str, values: Mapping[str, Any], *, csv: bool = False, assign: bool = True
    ) -> str:
        table = self.table(name)
        row = self.live(table, row_id)
        checked = self._checked(table, values, csv, row["Id"])
        emptied = [n for n, v in checked.items() if v is None and table.object.columns[n].required]
        if emptied:
            raise RowRefused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(emptied)}]", emptied)
        if row.get("IsConverted"):
            raise RowRefused("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        self._meet_lock([row["Id"]])
        changed = {**row, **checked}
        if "OwnerId" in checked:
            self._assign(table, changed, assign)
        self._commit(table, changed, row, self._moment())
        return str(row["Id"])

    def upsert(self, name: str, key: str, values: Mapping[str, Any], **how: Any) -> tuple[str, bool]:
        """(id, created). `values` holds the key. Raises Fault 300 where the value is in several rows."""
        table = self.table(name)
        wanted = values.get(key)
        if wanted is None or wanted == "":
            raise RowRefused("MISSING_ARGUMENT", f"{key} not specified", [])
        found = self.by_key(table, key, str(wanted))
        if len(found) > 1:
            raise RowRefused(
                "DUPLICATE_EXTERNAL_ID",
                f"{key}: more than one record found for external id field: {[r['Id'] for r in found]}",
                status=300,
            )
        if found:
            how.pop("allow", None)
            rest = {n: v for n, v in values.items() if n != key}
            return self.update(name, found[0]["Id"], rest, **how), False
        if key == "Id":
            raise RowRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)
        return self.insert(name, values, **how), True

    def delete(self, name: str, row_id: str) -> str:
        """Into the recycle bin: hidden from `query`, shown by `queryAll`, with a new SystemModstamp."""
        table = self.table(name)
        if not table.object.writable or "IsDeleted" not in table.object.columns:
            raise RowRefused("INSUFFICIENT_ACCESS_OR_READONLY", "entity type cannot be deleted", status=403)
        row = self.live(table, row_id)
        self._meet_lock([row["Id"]])
        moment = self._moment()
        self._commit(table, {**row, "IsDeleted": True}, row, moment)
        self._log_gone(table, (moment, row["Id"]))
        return str(row["Id"])

    def undelete(self, name: str, row_id: str) -> None:
        table = self.table(name)
        row = table.rows[id18(row_id)]
        self._commit(table, {**row, "IsDeleted": False, "MasterRecordId": None}, row, self._moment())

    def purge(self, name: str, row_id: str) -> None:
        """Out of the recycle bin for good: only getDeleted still knows of it."""
        table = self.table(name)
        if not table.rows[id18(row_id)].get("IsDeleted"):
            self.delete(name, row_id)
        table.drop(id18(row_id))

    def merge(self, name: str, winner: str, losers: Iterable[str]) -> None:
        """The losers go to the recycle bin with MasterRecordId = winner; the winner is touched."""
        table = self.table(name)
        for loser in losers:
            row, moment = self.live(table, loser), self._moment()
            self._commit(table, {**row, "IsDeleted": True, "MasterRecordId": id18(winner)}, row, moment)
            self._log_gone(table, (moment, row["Id"]))
        row = self.live(table, winner)
        self._commit(table, dict(row), row, self._moment())

    def load(self, name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Rows as they are, with their own Id, CreatedDate and SystemModstamp where given: for seeds, not clients."""
        table, ids = self.table(name), []
        columns = table.object.columns
        defaults = {n: c.default for n, c in columns.items() if c.default is not None}
        owned = {"OwnerId": ADMIN_ID} if "OwnerId" in columns else {}
        deletable = {"IsDeleted": False} if "IsDeleted" in columns else {}
        moment = stamp(self.now())
        for given in rows:
            unknown = given.keys() - columns.keys()
            if unknown:
                raise Fault(400, "INVALID_FIELD", f"No such column '{min(unknown)}' on sobject of type {name}")
            row = {**defaults, **owned, **deletable, "CreatedById": ADMIN_ID, "LastModifiedById": ADMIN_ID, **given}
            row["Id"] = id18(row["Id"]) if row.get("Id") else table.new_id()
            for field_name in given.keys() - {"Id"}:
                column = columns[field_name]
                row[field_name] = stored(column, row[field_name], csv=False, refers=lambda _c, _i: True)
            modified = row.get("SystemModstamp") or row.get("LastModifiedDate") or row.get("CreatedDate") or moment
            row.setdefault("CreatedDate", modified)
            row.setdefault("LastModifiedDate", modified)
            row["SystemModstamp"] = modified
            derive(self, table.object.name, row)
            table.put(row)
            ids.append(row["Id"])
        return ids

    def together(self, deeds: Callable[[], bool]) -> None:
        """Do `deeds`; where it says False all of its writes are undone (allOrNone). May be nested."""
        outer, own = self._undo, list[Callable[[], None]]()
        self._undo = own
        try:
            if not deeds():
                while own:
                    own.pop()()
        finally:
            self._undo = outer
            if outer is not None:
                outer += own

    # --- the parts of a write -----------------------------------------------------------------------------------

    def _moment(self) -> str:
        return stamp(self.now() - timedelta(seconds=self.late_s))

    def _checked(self, table: Table, values: Mapping[str, Any], csv: bool, own_id: str | None = None) -> Row:
        checked: Row = {}
        refused: list[str] = []
        if not table.object.writable:
            raise RowRefused("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403)
        for name, value in values.items():
            column = self.column(table, name)
            if column is None:
                raise Fault(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {table.object.name}")
            if column.readonly:
                refused.append(column.name)
            else:
                checked[column.name] = stored(column, value, csv=csv, refers=self._refers)
        if refused:
            message = (
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this"
                " field and verify that it is read/write for your profile or permission set."
            )
            raise RowRefused("INVALID_FIELD_FOR_INSERT_UPDATE", message, refused)
        for name, value in checked.items():
            if table.object.columns[name].unique and value is not None:
                holder = next((i for i in table.keys[name].get(str(value).lower(), ()) if i != own_id), None)
                if holder is not None:
                    message = f"duplicate value found: {name} duplicates value on record with id: {holder}"
                    raise RowRefused("DUPLICATE_VALUE", message, [])
        return checked

    def _refers(self, column: Column, row_id: str) -> bool:
        if row_id.startswith("00G"):
            return "Group" in column.refers_to and row_id in self.queues
        for name in column.refers_to:
            row = self.tables[name].rows.get(row_id) if name in self.tables else None
            if row is not None and not row.get("IsDeleted"):
                return True
        return False

    def _meet_lock(self, names: Iterable[str]) -> None:
        for name in names:
            if self.locked.get(name, 0) > 0:
                self.locked[name] -= 1
                message = f"unable to obtain exclusive access to this record or 1 records: {name}"
                raise RowRefused("UNABLE_TO_LOCK_ROW", message)

    def _meet_duplicates(self, table: Table, values: Row, allow: bool) -> None:
        email = values.get("Email")
        if self.duplicate_rule == "off" or table.object.name != "Lead" or not email:
            return
        if self.duplicate_rule == "allow" and allow:
            return
        twin = next((r for r in table.rows.values() if r.get("Email") == email and not r.get("IsDeleted")), None)
        if twin is not None:
            refused = RowRefused("DUPLICATES_DETECTED", "Use one of these records?")
            result = {"allowSave": self.duplicate_rule == "allow", "duplicateRule": "Standard_Lead_Duplicate_Rule"}
            refused.more = {"duplicateResult": {**result, "duplicateRuleEntityType": "Lead", "matchResults": []}}
            raise refused

    def _assign(self, table: Table, row: Row, assign: bool) -> None:
        if assign and self.assignment_owner and table.object.name in ASSIGNED:
            row["OwnerId"] = self.assignment_owner

    def _commit(self, table: Table, row: Row, old: Row | None, moment: str) -> None:
        row |= {"LastModifiedDate": moment, "LastModifiedById": ADMIN_ID, "SystemModstamp": moment}
        derive(self, table.object.name, row)
        for name in [n for n in row if n not in table.object.columns]:
            del row[name]
        table.put(row)
        if self._undo is not None:
            self._undo.append(lambda: table.put(old) if old is not None else table.drop(row["Id"]))

    def _log_gone(self, table: Table, line: tuple[str, str]) -> None:
        table.gone.append(line)
        if self._undo is not None:
            self._undo.append(lambda: table.gone.remove(line))

    def earliest_delete(self) -> datetime:
        kept = self.now() - DELETED_KEPT
        return max(kept, self.delete_log_from) if self.delete_log_from else kept

    def deleted_between(self, table: Table, start: datetime, end: datetime) -> list[tuple[str, str]]:
        earliest = self.earliest_delete()
        return [(when, i) for when, i in table.gone if max(start, earliest) <= moment_of(when) < end]
