"""Writing one object by sObject Collections: 200 rows in a call, each with its own outcome.

A change with a remote id is an update; one that matches on an external id an upsert, which Salesforce does in one step;
one that matches on another field (an e-mail address) is searched for first. `Sforce-Auto-Assign: FALSE` goes with every
call: without it an assignment rule may give a lead another owner than the one that was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from prm_sync.connect import Change, ContractBroken, Done, Outcome, Refused, Stream
from prm_sync_salesforce.describe import COLLECTION_ROWS
from prm_sync_salesforce.errors import classify, refused
from prm_sync_salesforce.fetch import ids_by
from prm_sync_salesforce.remote import Remote

HEADERS: Final = {"Sforce-Auto-Assign": "FALSE"}
ALLOW: Final = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
_NO_COLUMN = re.compile(r"No such column '([^']+)'")

Numbered: TypeAlias = tuple[int, Change]  #: a change and its place in the call of `write`
Results: TypeAlias = dict[int, Outcome]


def write(remote: Remote, stream: Stream, external: frozenset[str], changes: Sequence[Change]) -> list[Outcome]:
    """One outcome for each change, in their order. `external`: the fields of the object that an upsert may go by."""
    results: Results = {}
    todo = list(enumerate(changes))
    todo = _found(remote, stream, external, todo, results)
    updates = [(i, c) for i, c in todo if c.op == "upsert" and c.remote_id is not None]
    deletes = [(i, c) for i, c in todo if c.op == "delete"]
    creates = [(i, c) for i, c in todo if c.op == "upsert" and c.remote_id is None and not _by_key(c, external)]
    for group in _waves(updates, lambda c: str(c.remote_id)):
        _send(remote, stream, "PATCH", "/composite/sobjects", group, _update_row(stream), results, safe=True)
    for key in dict.fromkeys(c.match[0] for _, c in todo if c.op == "upsert" and c.match and _by_key(c, external)):
        keyed = [(i, c) for i, c in todo if c.op == "upsert" and _by_key(c, external) and c.match and c.match[0] == key]
        path = f"/composite/sobjects/{stream.name}/{key}"
        for group in _waves(keyed, lambda c: c.match[1].lower() if c.match else ""):
            _send(remote, stream, "PATCH", path, group, _upsert_row(stream), results, safe=True)
    for group in _waves(creates, lambda c: c.token):
        # A repeated create makes a second record: it is not repeated where the first may have been done.
        _send(remote, stream, "POST", "/composite/sobjects", group, _create_row(stream), results, safe=False)
    for group in _waves(deletes, lambda c: str(c.remote_id)):
        _delete(remote, group, results)
    return [results[i] for i in range(len(changes))]


def _by_key(change: Change, external: frozenset[str]) -> bool:
    return change.remote_id is None and change.match is not None and change.match[0] in external


def _found(
    remote: Remote, stream: Stream, external: frozenset[str], todo: list[Numbered], results: Results
) -> list[Numbered]:
    """The changes with the ids of those that have to be searched for; a delete of what is not there is refused."""
    searched = [
        (i, c) for i, c in todo if c.remote_id is None and c.match and (c.op == "delete" or not _by_key(c, external))
    ]
    known: dict[tuple[str, str], str] = {}
    for field in dict.fromkeys(c.match[0] for _, c in searched if c.match):
        values = [c.match[1] for _, c in searched if c.match and c.match[0] == field]
        known |= {(field, v): i for v, i in ids_by(remote, stream, field, values).items()}
    out: list[Numbered] = []
    wanted = {i for i, _ in searched}
    for i, change in todo:
        if change.op == "delete" and change.remote_id is None and not change.match:
            results[i] = Refused("MISSING_ARGUMENT", "a delete needs the record's id or a field to find it by")
            continue
        if i not in wanted or change.match is None:
            out.append((i, change))
            continue
        found = known.get((change.match[0], change.match[1].lower()))
        if found is None and change.op == "delete":
            results[i] = Refused("NOT_FOUND", "no such record", field=change.match[0])
        else:
            out.append((i, Change(change.op, change.token, change.values, found, change.match)))
    return out


def _waves(changes: Iterable[Numbered], key: Callable[[Change], str]) -> Iterator[list[Numbered]]:
    """Groups for one call: at most 200 rows, and no record twice, which Salesforce refuses. The order of the changes of
    one record is kept."""
    left = list(changes)
    while left:
        group: list[Numbered] = []
        later: list[Numbered] = []
        seen: set[str] = set()
        for numbered in left:
            name = key(numbered[1])
            if name in seen or len(group) == COLLECTION_ROWS:
                later.append(numbered)
            else:
                group.append(numbered)
            seen.add(name)
        yield group
        left = later


# --- rows ---------------------------------------------------------------------------------------------------------

MakeRow: TypeAlias = Callable[[Change], dict[str, Any]]


def _update_row(stream: Stream) -> MakeRow:
    return lambda c: {"attributes": {"type": stream.name}, **c.values, "Id": c.remote_id}


def _upsert_row(stream: Stream) -> MakeRow:
    def row(change: Change) -> dict[str, Any]:
        field, value = change.match or ("", "")
        values = {n: v for n, v in change.values.items() if n != "Id"}
        return {"attributes": {"type": stream.name}, **values, field: value}

    return row


def _create_row(stream: Stream) -> MakeRow:
    def row(change: Change) -> dict[str, Any]:
        match = {change.match[0]: change.match[1]} if change.match else {}
        return {"attributes": {"type": stream.name}, **match, **change.values}

    return row


# --- calls --------------------------------------------------------------------------------------------------------


def _send(
    remote: Remote,
    stream: Stream,
    method: str,
    path: str,
    group: list[Numbered],
    make: MakeRow,
    results: Results,
    *,
    safe: bool,
) -> None:
    """One call; where the whole of it is refused for a row's sake, that row is found and the others are sent again."""
    headers = {**HEADERS, **(ALLOW if remote.config.allow_duplicates else {})}
    body = {"allOrNone": False, "records": [make(change) for _, change in group]}
    response = remote.http.request(method, remote.base + path, json=body, headers=headers, ok=(200, 400), safe=safe)
    answer = remote.http.json_of(response)
    if response.status_code == 200:
        _settle(remote, group, answer, results)
        return
    culprits = _culprits(group, answer)
    if culprits is None:
        error = classify(response) or ContractBroken("Salesforce does not take this call", status=400)
        error.args, error.status = (
            (f"{remote.context.connection}: {method} {path} answered 400 ({error.code}): {error}",),
            400,
        )
        raise error
    if not culprits and len(group) > 1:
        half = len(group) // 2
        parts = [group[:half], group[half:]]
    else:
        for i, change in culprits or group:
            results[i] = _as_refused(answer, change)
        parts = [[n for n in group if n not in culprits]] if culprits else []
    for part in parts:
        if part:
            _send(remote, stream, method, path, part, make, results, safe=safe)


def _culprits(group: list[Numbered], answer: Any) -> list[Numbered] | None:
    """The rows for whose sake a call was refused; []: some row, which one has to be tried; None: not a row's fault."""
    first = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], dict) else {}
    if first.get("errorCode") == "JSON_PARSER_ERROR":
        return []
    found = _NO_COLUMN.search(str(first.get("message", "")))
    if first.get("errorCode") == "INVALID_FIELD" and found:
        return [n for n in group if found.group(1) in n[1].values]
    return None


def _as_refused(answer: Any, change: Change) -> Refused:
    first = dict(answer[0])
    found = _NO_COLUMN.search(str(first.get("message", "")))
    if found:
        message = "the object has no such field, or the integration user does not see it"
        return Refused("INVALID_FIELD", message, field=found.group(1))
    return refused([first], change.values)


def _delete(remote: Remote, group: list[Numbered], results: Results) -> None:
    params = {"ids": ",".join(str(c.remote_id) for _, c in group), "allOrNone": "false"}
    url = f"{remote.base}/composite/sobjects"
    answer = remote.http.json_of(remote.http.request("DELETE", url, params=params, headers=HEADERS, safe=True))
    _settle(remote, group, answer, results)
    for i, change in group:
        outcome = results[i]
        if isinstance(outcome, Refused) and outcome.code == "ENTITY_IS_DELETED":
            results[i] = Done(str(change.remote_id), created=False)  # the second time has the effect of once


def _settle(remote: Remote, group: list[Numbered], answer: Any, results: Results) -> None:
    if not isinstance(answer, list) or len(answer) != len(group):
        raise ContractBroken(
            f"{remote.context.connection}: a collection of {len(group)} rows was not answered row by row"
        )
    for (i, change), row in zip(group, answer, strict=True):
        results[i] = _outcome(change, row)


def _outcome(change: Change, row: Mapping[str, Any]) -> Outcome:
    if row.get("success"):
        created = row.get("created", change.remote_id is None and change.op == "upsert")
        return Done(str(row.get("id") or change.remote_id), created=bool(created))
    return refused(
        row.get("errors") or [], {**change.values, **({change.match[0]: change.match[1]} if change.match else {})}
    )
