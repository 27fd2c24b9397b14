"""Late-arriving facts: a payload older than the one we have. It lands in history, and the present stays where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse.bulk import quoted
from prm_sync.warehouse.db import lock


def land(
    tx: sa.Connection, entity: str, columns: Sequence[str], rows: Sequence[tuple[tuple[str, str, str, datetime], Any]]
) -> int:
    """Put these into the history of their entities: ((connection, stream, remote id, time), values of `columns`).

    From that time on until the record's next known change, the fields that the golden record had from this record, or
    had not at all, said what the payload says. Returns how many told the history something new.
    """
    if not rows:
        return 0
    lock(tx, f"golden:{entity}")
    return sum(_Landing(tx, entity, columns, key, values).run() for key, values in rows)


class _Landing:
    """One late payload."""

    def __init__(
        self, tx: sa.Connection, entity: str, columns: Sequence[str], key: tuple[str, str, str, datetime], values: Any
    ) -> None:
        self.tx, self.entity, self.values = tx, entity, dict(zip(columns, values, strict=True))
        self.connection, self.stream, self.remote_id, self.at = key

    def run(self) -> bool:
        known = self._row(
            f"SELECT x.entity_id, s.remote_time FROM core.{self.entity}_source s JOIN core.crosswalk x "
            "ON x.entity = :e AND x.connection = s.connection AND x.stream = s.stream AND x.remote_id = s.remote_id "
            "WHERE s.connection = :c AND s.stream = :s AND s.remote_id = :r",
            e=self.entity, c=self.connection, s=self.stream, r=self.remote_id,
        )  # fmt: skip
        if known is None or known["remote_time"] is None or known["remote_time"] <= self.at:
            return False
        id_, until = known["entity_id"], known["remote_time"]
        version = self._row(
            f"SELECT * FROM core.{self.entity}_history WHERE id = :id AND valid_from <= :at "
            "AND (valid_to IS NULL OR valid_to > :at) ORDER BY valid_from DESC LIMIT 1",
            id=id_, at=self.at,
        )  # fmt: skip
        if version is None:
            first = self._row(f"SELECT min(valid_from) AS at FROM core.{self.entity}_history WHERE id = :id", id=id_)
            if first is None or first["at"] is None:
                return False
            self._add(id_, self._told({}), {"*": self._name}, self.at, min(until, first["at"]))
            return True
        said = self._told(version)
        if all(said[f] == version[f] for f in said):
            return False
        self._split(id_, version, said, min(until, version["valid_to"] or until))
        return True

    @property
    def _name(self) -> str:
        return f"{self.connection}/{self.stream}/{self.remote_id}"

    def _told(self, version: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of the version as they were with this payload."""
        provenance = version.get("provenance") or {}
        usual = provenance.get("*")
        return {
            f: value for f, value in self.values.items()
            if value is not None and (version.get(f) is None or provenance.get(f, usual) == self._name)
        }  # fmt: skip

    def _split(self, id_: str, version: Mapping[str, Any], said: dict[str, Any], until: datetime) -> None:
        """The version before, the late one, and what is left of the version after it."""
        fields = {k: v for k, v in version.items() if k not in ("id", "provenance", "valid_from", "valid_to")}
        provenance = version["provenance"]
        if version["valid_to"] is None:
            self._run(f'UPDATE core."{self.entity}" SET valid_from = :until WHERE id = :id', id=id_, until=until)
        else:
            self._run(
                f"DELETE FROM core.{self.entity}_past WHERE id = :id AND valid_from = :since AND valid_to = :to",
                id=id_, since=version["valid_from"], to=version["valid_to"],
            )  # fmt: skip
            self._add(id_, fields, provenance, until, version["valid_to"])
        self._add(id_, fields, provenance, version["valid_from"], self.at)
        self._add(id_, fields | said, provenance | dict.fromkeys(said, self._name), self.at, until)

    def _add(
        self, id_: str, fields: Mapping[str, Any], provenance: Mapping[str, str], since: datetime, until: datetime
    ) -> None:
        if since >= until:
            return
        names = list(fields)
        marks = ", ".join(f":f{n}" for n in range(len(names)))
        self._run(
            f"INSERT INTO core.{self.entity}_past (id, version, provenance, valid_from, valid_to, {quoted(names)}) "
            f"VALUES (:id, nextval('core.change_seq'), cast(:provenance AS jsonb), :since, :until, {marks})",
            id=id_, provenance=msgspec.json.encode(dict(provenance)).decode(), since=since, until=until,
            **{f"f{n}": fields[name] for n, name in enumerate(names)},
        )  # fmt: skip

    def _row(self, query: str, **params: Any) -> Mapping[str, Any] | None:
        found = self.tx.execute(sa.text(query), params).mappings().one_or_none()
        return None if found is None else dict(found)

    def _run(self, query: str, **params: Any) -> None:
        self.tx.execute(sa.text(query), params)
