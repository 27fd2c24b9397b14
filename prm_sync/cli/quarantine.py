"""`prm-sync quarantine`: what could not be used, why, and a second try for it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, PrmSyncError
from prm_sync.flows.report import EXIT_CODE

if TYPE_CHECKING:
    from prm_sync.app import App

quarantine = typer.Typer(no_args_is_help=True, help="Records and fields that could not be used, and why.")

OfConnection = Annotated[
    str | None,
    typer.Option("--connection", "-c", help="Only this connection.", autocompletion=opening.connection_names),
]
OfStream = Annotated[str | None, typer.Option("--stream", "-s", help="Only this stream.")]
OfField = Annotated[
    str | None, typer.Option("--field", "-f", help="Canonical field; '*': whole records; 'push': refused writes.")
]
OfClass = Annotated[str | None, typer.Option("--class", help="transient, fixable or permanent.")]
ALL = 1_000_000


def _filters(connection: str | None, stream: str | None, field: str | None, klass: str | None) -> dict[str, Any]:
    given = {"connection": connection, "stream": stream, "field": field, "class": klass}
    return {k: v for k, v in given.items() if v is not None}


@quarantine.command("list", epilog="Example: prm-sync quarantine list --connection crm --field phone")
def list_(
    connection: OfConnection = None,
    stream: OfStream = None,
    field: OfField = None,
    klass: OfClass = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows to list.")] = 20,
    as_json: terminal.Json = False,
) -> None:
    """Count what is in quarantine by its reason, and list the latest."""
    from prm_sync.cli import lookups

    chosen = _filters(connection, stream, field, klass)
    with opening.opened() as app, app.db.begin() as tx:
        counts, found = lookups.reasons(tx, chosen), lookups.quarantined(tx, chosen, limit)

    def people() -> None:
        terminal.table(
            "Reasons",
            ("records", "where", "field", "class", "reason"),
            ((r["n"], f"{r['connection']}.{r['stream']}", r["field"], r["class"], r["reason"]) for r in counts),
            empty="nothing is in quarantine",
        )
        if found:
            terminal.table(
                "Latest",
                ("connection", "stream", "record", "field", "reason", "last seen"),
                (
                    (r["connection"], r["stream"], r["remote_id"], r["field"], r["reason"], r["last_seen_at"])
                    for r in found
                ),
            )

    terminal.result({"state": "done", "reasons": counts, "records": found}, people, as_json=as_json)


@quarantine.command(epilog="Example: prm-sync quarantine show crm Lead 00Q5e00001abcde")
def show(
    connection: Annotated[str, typer.Argument(autocompletion=opening.connection_names)],
    stream: str,
    remote_id: str,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Show what is wrong with one record, and the record as it was received."""
    from prm_sync.cli import lookups

    with opening.opened() as app:
        with app.db.begin() as tx:
            key = {"connection": connection, "stream": stream, "remote_id": remote_id}
            found, record = lookups.quarantined(tx, key, 100), lookups.record(tx, connection, stream, remote_id)
        if record is None and not found:
            raise PrmSyncError(
                f"{connection}.{stream}: no record has this id; `prm-sync quarantine list` names those in quarantine"
            )
        payload = dict(record["payload"]) if record else {}
        if not show_values:
            plainly = personal.read_plainly(app, connection, stream)
            payload = {k: personal.masked(v, hide=k not in plainly) for k, v in payload.items()}
    data = {"state": "done", **key, "troubles": found, "record": {**record, "payload": payload} if record else None}

    def people() -> None:
        columns = ("entity", "field", "source", "code", "class", "reason", "last_seen_at")
        terminal.table("In quarantine", columns, [[r[c] for c in columns] for r in found])
        terminal.table("As received", ("field", "value"), payload.items())
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
    field: OfField = None,
    klass: OfClass = None,
    push: Annotated[
        bool, typer.Option("--push", help="Refused writes instead: the next push sends them again.")
    ] = False,
    as_json: terminal.Json = False,
) -> None:
    """Map the records in quarantine again (or those of these ids), or, with --push, send refused writes again."""
    chosen = _filters(connection, stream, field, klass)
    with opening.opened() as app:
        data = _send_again(app, chosen, ids) if push else _map_again(app, chosen, ids)

    def people() -> None:
        if push:
            terminal.say(f"{data['ready']:,} refused writes are ready again; `prm-sync run push` sends them")
        else:
            terminal.say(
                f"{data['records']:,} records mapped again: {data['resolved']:,} troubles gone, {data['still']:,} left"
            )

    terminal.result(data, people, as_json=as_json)


def _map_again(app: App, chosen: dict[str, Any], ids: list[str] | None) -> dict[str, Any]:
    from prm_sync.cli import lookups
    from prm_sync.flows.refine import refine

    with app.db.begin() as tx:
        found = [
            r
            for r in lookups.quarantined(tx, chosen, ALL)
            if r["field"] != "push" and (not ids or r["remote_id"] in ids)
        ]
        by_stream: dict[tuple[str, str], set[str]] = defaultdict(set)
        for r in found:
            by_stream[r["connection"], r["stream"]].add(r["remote_id"])
        records = sum(lookups.replay(tx, c, s, sorted(some)) for (c, s), some in sorted(by_stream.items()))
    entities = sorted({r["entity"] for r in found})
    if entities:
        refine(app, entities)
    with app.db.begin() as tx:
        before = {(r["connection"], r["stream"], r["remote_id"], r["field"]) for r in found}
        now = lookups.quarantined(tx, chosen, ALL)
        still = sum((r["connection"], r["stream"], r["remote_id"], r["field"]) in before for r in now)
    return {"state": "done", "records": records, "resolved": len(found) - still, "still": still}


def _send_again(app: App, chosen: dict[str, Any], ids: list[str] | None) -> dict[str, Any]:
    from prm_sync.cli import lookups

    with app.db.begin() as tx:
        found = lookups.quarantined(tx, {**chosen, "field": "push"}, ALL)
        targets: dict[tuple[str, str], set[str]] = defaultdict(set)
        for r in found:
            if not ids or r["remote_id"] in ids:
                targets[r["connection"], r["stream"]].add(r["remote_id"])
        ready = sum(lookups.send_again(tx, c, s, sorted(some)) for (c, s), some in sorted(targets.items()))
    return {"state": "done", "ready": ready}


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
