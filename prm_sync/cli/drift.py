"""`prm-sync drift`: fields of remote systems that are no longer what the mappings count on."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import PrmSyncError

if TYPE_CHECKING:
    from prm_sync.rules.drift import Shapes

drift = typer.Typer(no_args_is_help=True, help="Fields that are gone, of another type, or have values nobody maps.")

Connection = Annotated[str, typer.Argument(autocompletion=opening.connection_names)]
_STYLES = {"breaking": "bold red", "warning": "yellow"}


@drift.command("list", epilog="Example: prm-sync drift list --connection crm")
def list_(
    connection: Annotated[
        str | None,
        typer.Option("--connection", "-c", help="Only this connection.", autocompletion=opening.connection_names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was noted, accepted or mended.")] = False,
    as_json: terminal.Json = False,
) -> None:
    """List what is open, the worst first, with what to do. Exit code 3: something is breaking."""
    from prm_sync.warehouse import drift as kept

    with opening.opened() as app, app.db.begin() as tx:
        found = kept.listed(tx, connection, all_states=everything)
    found.sort(key=lambda r: (r["state"] != "open", ("breaking", "warning", "info").index(r["severity"])))
    held = any(r["state"] == "open" and r["severity"] == "breaking" for r in found)

    def people() -> None:
        if not found:
            terminal.say("every stream is as the mappings expect it")
        for r in found:
            state = "" if r["state"] == "open" else f" [{r['state']}]"
            line = f"{r['severity']:8} {r['connection']}.{r['stream']}: {r['message']}{state}"
            terminal.say(line, _STYLES.get(r["severity"]) if r["state"] == "open" else None)

    code = terminal.UNFINISHED if held else 0
    terminal.result({"state": "held" if held else "done", "drift": found}, people, as_json=as_json, code=code)


@drift.command(epilog="Example: prm-sync drift show crm Lead Industry")
def show(connection: Connection, stream: str, field: str, as_json: terminal.Json = False) -> None:
    """Show one field: what was expected, what it is, which fields are made of it."""
    from prm_sync.warehouse import drift as kept

    with opening.opened() as app, app.db.begin() as tx:
        found = [r for r in kept.listed(tx, connection, stream, all_states=True) if r["field"] == field]
        snapshot = kept.latest(tx, connection, stream)
    if snapshot is None or (not found and field not in snapshot.fields):
        raise PrmSyncError(f"{connection}.{stream}: nothing is known of {field!r}; `prm-sync drift list` lists drift")
    before, after = snapshot.expected.get(field), snapshot.fields.get(field)

    def people() -> None:
        names = dict.fromkeys([*(before or ()), *(after or ())])
        rows = [(n, (before or {}).get(n), (after or {}).get(n)) for n in names]
        terminal.table(f"{connection}.{stream} {field}", ("", "expected", "is"), rows)
        for r in found:
            since = f"{r['state']}, since {r['first_seen_at']:%Y-%m-%d %H:%M}"
            terminal.say(f"{r['severity']} {r['kind']} ({since}): {r['message']}")

    data: dict[str, Any] = {"state": "done", "expected": before, "is": after, "drift": found}
    terminal.result(data, people, as_json=as_json)


@drift.command(epilog="Example: prm-sync drift accept crm Lead Industry --by Linh")
def accept(
    connection: Connection,
    stream: str,
    field: Annotated[str | None, typer.Argument(help="Remote field; all of the stream by default.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who accepts; your login name by default.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Say that a stream is meant to be as it is now: what was held is mapped again by the next refine."""
    from prm_sync.flows.drift import accept as accepted

    who = by or getpass.getuser()
    with opening.opened() as app:
        app.connector(connection)
        done = accepted(app, connection, stream, field, who)
    data = {
        "state": "done", "by": who, "mapped_again": done.mapped_again,
        "accepted": [{"field": f, "kind": k} for f, k in done.findings],
    }  # fmt: skip
    then = "; `prm-sync run refine` maps its records again" if done.mapped_again else ""
    text = f"accepted by {who}: {', '.join(f'{f} {k}' for f, k in done.findings)}{then}"
    terminal.result(data, lambda: terminal.say(text), as_json=as_json)


def expected() -> dict[tuple[str, str], Shapes]:
    """What is expected of each stream, by (connection, stream); nothing where no warehouse is up."""
    from prm_sync.cli import database
    from prm_sync.rules.drift import Shape
    from prm_sync.warehouse import db
    from prm_sync.warehouse import drift as kept
    from prm_sync.warehouse.urls import warehouse_url

    if database.state()["server"] not in ("ready", "given"):
        return {}
    engine = db.engine(warehouse_url(opening.settings()))
    try:
        with engine.begin() as tx:
            found = kept.all_expected(tx)
    finally:
        engine.dispose()
    return {key: {n: Shape.of(s) for n, s in fields.items()} for key, fields in found.items()}
