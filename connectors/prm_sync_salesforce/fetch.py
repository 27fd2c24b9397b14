"""Records by id, or by a field that they are found by: what an unknown write is settled by."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

from prm_sync.connect import Record, Stream
from prm_sync_salesforce import soql
from prm_sync_salesforce.remote import Remote

ID_SHORT: Final = 15


def fetch(
    remote: Remote, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]
) -> list[Record | None]:
    """The records whose `by` has these values, in their order; None: gone. Of several the first made."""
    columns = [*dict.fromkeys([*soql.columns_of(stream, fields), by])]
    found: dict[str, Record] = {}
    for record in _matching(remote, stream, columns, by, values):
        found.setdefault(_key(by, str(record[by])), record)
    shown = {*fields, stream.key, *([stream.modified] if stream.modified else [])}
    wanted = [found.get(_key(by, value)) for value in values]
    return [None if r is None else {n: v for n, v in r.items() if n in shown} for r in wanted]


def ids_by(remote: Remote, stream: Stream, by: str, values: Sequence[str]) -> dict[str, str]:
    """Lower-case value -> id of the record that has it in field `by`; of several the first made."""
    found: dict[str, str] = {}
    for record in _matching(remote, stream, ["Id", by], by, values):
        found.setdefault(str(record[by]).lower(), record["Id"])
    return found


def _matching(
    remote: Remote, stream: Stream, columns: Sequence[str], by: str, values: Sequence[str]
) -> Iterator[dict[str, Any]]:
    kind = next((f.type for f in stream.fields if f.name == by), "text")
    literals = list(dict.fromkeys(soql.literal(kind, value) for value in values))
    while literals:
        n = min(len(literals), soql.IN_MAX)
        text = _query(stream, columns, by, literals[:n])
        while len(quote_plus(text)) > soql.URI_MAX and n > 1:
            n //= 2
            text = _query(stream, columns, by, literals[:n])
        yield from remote.rows(text)
        literals = literals[n:]


def _query(stream: Stream, columns: Sequence[str], by: str, literals: Sequence[str]) -> str:
    return soql.select(columns, stream.name, [f"{by} IN ({', '.join(literals)})"], ["Id"])


def _key(by: str, value: str) -> str:
    """Ids have a long and a short form and tell upper from lower case; Salesforce compares other texts without it."""
    return value[:ID_SHORT] if by == "Id" else value.lower()
