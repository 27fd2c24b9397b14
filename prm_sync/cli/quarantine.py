"""`prm-sync quarantine`: what could not be used, why, and a second try for it. Corrections are in `edits.py`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, PrmSyncError
from prm_sync.flows.report import EXIT_CODE

if TYPE_CHECKING:
    from prm_sync.warehouse.quarantine import Chosen

quarantine = typer.Typer(no_args_is_help=True, help="Records and fields that could not be used, and why.")

OfConnection = Annotated[
    str | None,
    typer.Option("--connection", "-c", help="Only this connection.", autocompletion=opening.connection_names),
]
OfStream = Annotated[str | None, typer.Option("--stream", "-s", help="Only this stream.")]
OfEntity = Annotated[
    str | None,
    typer.Option("--entity", "-e", help="Only what was to become this.", autocompletion=opening.entity_names),
]
OfField = Annotated[
    str | None, typer.Option("--field", "-f", help="Canonical field; '*': whole records; 'push': refused writes.")
]
OfCode = Annotated[str | None, typer.Option("--code", help="Kind of trouble, such as invalid or unmapped_value.")]
OfClass = Annotated[str | None, typer.Option("--class", help="transient, fixable or permanent.")]
Older = Annotated[str | None, typer.Option("--older-than", help="First seen longer ago than that: 90m, 12h, 7d.")]
Newer = Annotated[str | None, typer.Option("--newer-than", help="First seen since then: 90m, 12h, 7d.")]
CLASSES = ("transient", "fixable", "permanent")
_AGE = re.compile(r"(\d+)([mhd])")


def _ago(age: str | None, now: datetime) -> datetime | None:
    """The time that long before now. Raises ConfigError for what is no age."""
    if age is None:
        return None
    found = _AGE.fullmatch(age.strip())
    if found is None:
        raise ConfigError(f'"{age}" is no age: write a number and m, h or d, such as 12h')
    unit = {"m": "minutes", "h": "hours", "d": "days"}[found[2]]
    try:
        return now - timedelta(**{unit: int(found[1])})
    except OverflowError:
        raise ConfigError(f'"{age}" is longer ago than there are dates; write fewer') from None


def _chosen(now: datetime, older: str | None, newer: str | None, **given: Any) -> Chosen:
    from prm_sync.warehouse.quarantine import Chosen

    klass = given.get("klass")
    if klass is not None and klass not in CLASSES:
        raise ConfigError(f'there is no class "{klass}"; there are: {", ".join(CLASSES)}')
    return Chosen(**given, before=_ago(older, now), since=_ago(newer, now))


@quarantine.command("list", epilog="Example: prm-sync quarantine list --connection crm --field phone --older-than 2d")
def list_(
    connection: OfConnection = None,
    stream: OfStream = None,
    entity: OfEntity = None,
    field: OfField = None,
    code: OfCode = None,
    klass: OfClass = None,
    older_than: Older = None,
    newer_than: Newer = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows to list.")] = 20,
    as_json: terminal.Json = False,
) -> None:
    """Count what is in quarantine by its reason, and list the latest."""
    from prm_sync.warehouse import quarantine as kept

    with opening.opened() as app, app.db.begin() as tx:
        chosen = _chosen(
            app.clock(), older_than, newer_than,
            connection=connection, stream=stream, entity=entity, field=field, code=code, klass=klass,
        )  # fmt: skip
        counts, found = kept.reasons(tx, chosen), kept.rows(tx, chosen, limit)

    def people() -> None:
        terminal.table(
            "Reasons",
            ("records", "where", "entity", "field", "class", "reason", "since"),
            (
                (r["n"], f"{r['connection']}.{r['stream']}", *(r[k] for k in ("entity", "field", "class", "reason")),
                 r["since"])
                for r in counts
            ),
            empty="nothing is in quarantine",
        )  # fmt: skip
        if found:
            columns = ("connection", "stream", "remote_id", "field", "reason", "last_seen_at")
            head = ("connection", "stream", "record", "field", "reason", "last seen")
            terminal.table("Latest", head, ([r[c] for c in columns] for r in found))

    terminal.result({"state": "done", "reasons": counts, "records": found}, people, as_json=as_json)


@quarantine.command(epilog="Example: prm-sync quarantine show crm Lead 00Q5e00001abcde")
def show(
    connection: Annotated[str, typer.Argument(autocompletion=opening.connection_names)],
    stream: str,
    remote_id: str,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Show what is wrong with one record, the record as it was received, and what of it was corrected."""
    from prm_sync.cli import lookups
    from prm_sync.warehouse import corrections
    from prm_sync.warehouse import quarantine as kept
    from prm_sync.warehouse.quarantine import Chosen

    with opening.opened() as app:
        with app.db.begin() as tx:
            key = {"connection": connection, "stream": stream, "remote_id": remote_id}
            found = kept.rows(tx, Chosen(connection, stream, ids=(remote_id,)), 100)
            record = lookups.record(tx, connection, stream, remote_id)
            edited = corrections.of_records(tx, connection, stream, [remote_id]).get(remote_id, ())
        if record is None and not found:
            raise PrmSyncError(
                f"{connection}.{stream}: no record has this id; `prm-sync quarantine list` names those in quarantine"
            )
        payload = dict(record["payload"]) if record else {}
        corrected = {r.field: r.value for r in edited}
        if not show_values:
            plainly = personal.read_plainly(app, connection, stream)
            payload = {k: personal.masked(v, hide=k not in plainly) for k, v in payload.items()}
            corrected = {k: personal.masked(v, hide=k not in plainly) for k, v in corrected.items()}
    shown = {**record, "payload": payload} if record else None
    data = {"state": "done", **key, "troubles": found, "record": shown, "corrected": corrected}

    def people() -> None:
        columns = ("entity", "field", "source", "code", "class", "reason", "mapping_hash", "first_seen_at")
        terminal.table("In quarantine", columns, [[r[c] for c in columns] for r in found])
        terminal.table("As received", ("field", "value"), payload.items())
        if corrected:
            terminal.table("Corrected before it is mapped", ("field", "value"), corrected.items())
        if not show_values:
            terminal.say("personal and unknown values are hidden; --show-values shows them")

    terminal.result(data, people, as_json=as_json)


@quarantine.command(epilog="Example: prm-sync quarantine replay --connection crm --field phone")
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[REMOTE_ID]...", help="Ids in the remote; all that match by default.")
    ] = None,
    connection: OfConnection = None,
    stream: OfStream = None,
    entity: OfEntity = None,
    field: OfField = None,
    code: OfCode = None,
    klass: OfClass = None,
    older_than: Older = None,
    newer_than: Newer = None,
    push: Annotated[
        bool, typer.Option("--push", help="Refused writes instead: the next push sends them again.")
    ] = False,
    as_json: terminal.Json = False,
) -> None:
    """Map the records in quarantine again (or those of these ids), or, with --push, send refused writes again."""
    from prm_sync.flows.replay import replay as again
    from prm_sync.warehouse import quarantine as kept

    with opening.opened() as app:
        chosen = _chosen(
            app.clock(), older_than, newer_than,
            connection=connection, stream=stream, entity=entity, field=field, code=code, klass=klass,
            ids=tuple(ids) if ids else None, push=push,
        )  # fmt: skip
        data: dict[str, Any]
        if push:
            with app.db.begin() as tx:
                data = {"state": "done", "ready": kept.send_again(tx, chosen)}
        else:
            done = again(app, chosen)
            data = {"state": "done", "records": done.records, "resolved": done.resolved, "still": done.still}

    def people() -> None:
        if push:
            terminal.say(f"{data['ready']:,} refused writes are ready again; `prm-sync run push` sends them")
        else:
            terminal.say(
                f"{data['records']:,} records mapped again: {data['resolved']:,} troubles gone, {data['still']:,} left"
            )

    terminal.result(data, people, as_json=as_json)


@quarantine.command("accept-deletes", epilog="Example: prm-sync quarantine accept-deletes lists leads")
def accept_deletes(
    connection: Annotated[str, typer.Argument(help="The connection.", autocompletion=opening.connection_names)],
    stream: Annotated[str, typer.Argument(help="The stream that lost records.")],
    as_json: terminal.Json = False,
) -> None:
    """Believe a source that lost many records: read it in full, and mark as deleted what it no longer shows."""
    from prm_sync.flows.accept_deletes import accept_deletes as accept

    with opening.opened() as app:
        app.connector(connection)
        known = app.streams_of(connection)
        if stream not in known:
            raise ConfigError(f"{connection} has no stream {stream!r} here; there are: {', '.join(known) or 'none'}")
        report = accept(app, connection, stream)
    deleted = report.numbers.get("deleted", 0)
    text = f"{deleted:,} records are marked as deleted; `prm-sync run refine route push` follows them up"
    data = {"state": report.state.value, "counts": dict(report.counts()), "message": report.message}
    terminal.result(data, lambda: terminal.say(text), as_json=as_json, code=EXIT_CODE[report.state])
