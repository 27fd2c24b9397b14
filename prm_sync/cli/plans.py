"""`prm-sync plan` and `approve`: what a push would change, and the release of one that is held."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from prm_sync.app import App
    from prm_sync.flows.difference import Plan


def plan(
    connection: Annotated[
        str | None,
        typer.Argument(help="Where to; all that are written to by default.", autocompletion=opening.connection_names),
    ] = None,
    stream: Annotated[str | None, typer.Argument(help="Only this stream.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Changes to show of each stream.")] = 20,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Show what a push would do now, field by field, without doing it."""
    plans: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    code = 0
    with opening.opened() as app:
        for name, stream_name in _wanted(app, connection, stream):
            from prm_sync.flows.push import plan as planned

            try:
                plans += [described(app, p, limit, show=show_values) for p in planned(app, name, stream_name)]
            except (ConnectorError, ConfigError) as error:
                failures.append({"connection": name, "stream": stream_name, "message": str(error)})
                code = max(code, terminal.exit_code(error))
    data = {"state": "failed" if failures else "done", "plans": plans, "failures": failures}

    def people() -> None:
        for p in plans:
            _show(p)
        for f in failures:
            terminal.complain(f"{f['connection']}.{f['stream']}: {f['message']}")
        if not plans and not failures:
            terminal.say("nothing is written anywhere: no mapping has a `back:` part")

    terminal.result(data, people, as_json=as_json, code=code)


def _wanted(app: App, connection: str | None, stream: str | None) -> list[tuple[str, str]]:
    if connection is not None:
        app.connector(connection)
    found = list(dict.fromkeys((m.connection, m.stream) for m in app.back_mappings()))
    wanted = [(c, s) for c, s in found if connection in (None, c) and stream in (None, s)]
    if connection is not None and not wanted:
        known = ", ".join(f"{c} {s}" for c, s in found) or "none"
        raise ConfigError(
            f"nothing is written to {connection}{f'.{stream}' if stream else ''}; streams that are written: {known}"
        )
    return wanted


def described(app: App, plan: Plan, limit: int, *, show: bool) -> dict[str, Any]:
    """A plan as one JSON object, at most `limit` of its changes with their values."""
    from prm_sync.rules import reconcile
    from prm_sync.warehouse import targets

    hidden = frozenset() if show else personal.written_personal(app, plan.connection, plan.stream)
    counts = plan.counts
    held = reconcile.within(
        counts, app.limits_of(plan.connection, plan.stream), targets.records(app.db, plan.connection, plan.stream)
    )
    changes = [
        {
            "entity_id": i.entity_id,
            "remote_id": i.remote_id,
            "op": "create" if i.creates else "update" if i.op == "upsert" else i.op,
            "fields": [
                {
                    "field": n,
                    "old": personal.masked(i.before.get(n), hide=n in hidden),
                    "new": personal.masked(v, hide=n in hidden),
                }
                for n, v in i.after.items()
            ],
        }
        for i in plan.intents[:limit]
    ]
    return {
        "id": plan.id,
        "connection": plan.connection,
        "stream": plan.stream,
        "entity": plan.entity,
        "compared": plan.compared,
        "create": counts.create,
        "update": counts.update,
        "delete": counts.delete,
        "held": held.message if held else None,
        "state": _state(app, plan.id),
        "changes": changes,
        "not_shown": len(plan.intents) - len(changes),
    }


def _state(app: App, plan_id: str) -> str | None:
    """What ops.plan says of it: held, approved ...; None: no push has met it yet."""
    import sqlalchemy as sa

    with app.db.begin() as tx:
        found = tx.execute(sa.text("SELECT state FROM ops.plan WHERE id = :id"), {"id": plan_id}).scalar_one_or_none()
    return None if found is None else str(found)


def _show(p: dict[str, Any]) -> None:
    counts = f"create {p['create']:,}, update {p['update']:,}, delete {p['delete']:,}, compared {p['compared']:,}"
    terminal.say(f"{p['connection']}.{p['stream']} ({p['entity']}): {counts}", "bold")
    rows = [
        (c["op"], c["remote_id"] or c["entity_id"], f["field"], f["old"], f["new"])
        for c in p["changes"]
        for f in c["fields"] or [{"field": "*", "old": None, "new": None}]
    ]
    if rows:
        terminal.table("", ("", "record", "field", "old", "new"), rows)
    if p["not_shown"]:
        terminal.say(f"and {p['not_shown']:,} more changes; --limit shows them")
    if p["held"] and p["state"] == "approved":
        terminal.say(f"beyond its limits, and approved: the next push sends it ({p['held']})", "yellow")
    elif p["held"]:
        release = (
            f"`prm-sync approve {p['id']}`" if p["state"] == "held" else "`prm-sync run push` holds it for approval"
        )
        terminal.say(f"beyond its limits: {p['held']}; {release}", "yellow")


def approve(
    plan_id: Annotated[str, typer.Argument(help="Id of the held plan, as `prm-sync status` shows it.")],
    by: Annotated[str | None, typer.Option("--by", help="Who approves; your login name by default.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Release a held plan: the next push sends its changes."""
    from prm_sync.warehouse import outbox

    with opening.opened() as app:
        who = by or getpass.getuser()
        row = outbox.approve(app.db, plan_id, who, app.clock())
        if row is None:
            raise ConfigError(f"no plan {plan_id!r} is held; {_held(app)}")
    data = {
        "state": "done",
        "id": row.id,
        "connection": row.connection,
        "stream": row.stream,
        "counts": row.counts,
        "by": who,
    }
    command = f"prm-sync run push -c {row.connection} -s {row.stream}"
    text = f"approved by {who}: {terminal.numbers(row.counts)}; `{command}` sends it"
    terminal.result(data, lambda: terminal.say(text), as_json=as_json)


def _held(app: App) -> str:
    with app.db.begin() as tx:
        rows = tx.exec_driver_sql(
            "SELECT id FROM ops.plan WHERE state = 'held' ORDER BY created_at DESC LIMIT 10"
        ).all()
    return f"held are: {', '.join(r[0] for r in rows)}" if rows else "none is"
