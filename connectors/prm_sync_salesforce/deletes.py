"""Who is gone since a time: the recycle bin (`queryAll`), and what left it for good (`getDeleted`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prm_sync.connect import CursorExpired, Stream
from prm_sync_salesforce import soql
from prm_sync_salesforce.remote import Remote

MASTER: Final = "MasterRecordId"  #: of a merge's loser: the record that is left; only objects that can merge have it
MINUTE: Final = timedelta(minutes=1)  #: getDeleted ignores seconds and wants a window of a minute at least


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids of deleted records, the server's time when it was first asked, and from where the delete log is read next.

    `merged`: of these ids, the losers of merges -> the record that is left.
    """

    ids: list[str]
    merged: dict[str, str]
    moment: datetime
    covered: str


def deleted_since(remote: Remote, stream: Stream, since: str, log_since: str) -> Gone:
    """Who was deleted: by the recycle bin since `since`, by the delete log since `log_since`.

    The losers of a merge are among them, and named as such as long as they are in the bin. Raises CursorExpired where
    the delete log begins later than `log_since`: only a full read can tell what is gone.
    """
    conditions = ["IsDeleted = true", *soql.from_time(stream.modified or "", since)]
    columns = ["Id", *(f.name for f in stream.fields if f.name == MASTER)]
    page, moment = remote.first_page(soql.select(columns, stream.name, conditions), deleted=True)
    rows = remote.rows_from(page)
    binned = [r["Id"] for r in rows]
    logged, covered = _logged(remote, stream, log_since, moment)
    # Who is in the log and not in the bin was purged, or brought back.
    gone = binned + _not_there(remote, stream, sorted(logged - set(binned)))
    return Gone(gone, _merged(rows), moment, covered)


def _merged(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {r["Id"]: r[MASTER] for r in rows if r.get(MASTER)}


def _logged(remote: Remote, stream: Stream, since: str, moment: datetime) -> tuple[set[str], str]:
    """The ids in the delete log, and up to where it is complete: from there it is read next, never from our end."""
    start = min(datetime.fromisoformat(since), moment - MINUTE)
    params = {"start": _iso(start), "end": _iso(moment)}
    answer = remote.get(f"/sobjects/{stream.name}/deleted/", params=params)
    earliest = datetime.fromisoformat(answer["earliestDateAvailable"])
    if earliest > start:
        raise CursorExpired(
            f"{remote.context.connection}: the delete log of {stream.name} begins at {_iso(earliest)}, later"
            " than the last read; it is read in full",
            code="INVALID_REPLICATION_DATE",
        )
    covered = min(datetime.fromisoformat(answer["latestDateCovered"]), moment)
    return {row["id"] for row in answer["deletedRecords"]}, _iso(covered)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def _not_there(remote: Remote, stream: Stream, ids: list[str]) -> list[str]:
    there: set[str] = set()
    for i in range(0, len(ids), soql.IN_MAX):
        listed = ", ".join(soql.quoted(row_id) for row_id in ids[i : i + soql.IN_MAX])
        there |= {row["Id"] for row in remote.rows(soql.select(["Id"], stream.name, [f"Id IN ({listed})"]))}
    return [row_id for row_id in ids if row_id not in there]
