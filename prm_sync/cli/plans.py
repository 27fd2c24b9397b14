"""`prm-sync plan` and `approve`: what a push would change, and the release of exactly that."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, ConnectorError
from prm_sync.flows.report import EXIT_CODE

if TYPE_CHECKING:
    from prm_sync.app import App
    from prm_sync.flows.difference import Plan

SAMPLE = 20  #: changes of each stream that people are shown unasked
LIST = "list"  #: in the place of a connection: the plans that are kept


def plan(
    connection: Annotated[
        str | None,
        typer.Argument(
            help="Where to, also as connection.stream; all by default. `list`: the plans that are kept.",
            autocompletion=opening.connection_names,
        ),
    ] = None,
    stream: Annotated[str | None, typer.Argument(help="Only this stream.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=0, help=f"Changes to show of each stream; {SAMPLE}, or all with --json."),
    ] = None,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Show what a push would do now, field by field, without doing it; `approve` then does exactly that."""
    with opening.opened() as app:
        if connection == LIST and LIST not in app.connectors:
            return list_plans(app, limit or SAMPLE, as_json=as_json)
        if connection is not None and stream is None and connection not in app.connectors and "." in connection:
            connection, _, stream = connection.partition(".")
        data, code = planned_all(app, _wanted(app, connection, stream), _most(limit, as_json), show=show_values)
    terminal.result(data, lambda: show_all(data), as_json=as_json, code=code)
    return None


def _most(limit: int | None, as_json: bool) -> int | None:
    return limit if limit is not None or as_json else SAMPLE


def planned_all(
    app: App, wanted: list[tuple[str, str]], limit: int | None, *, show: bool
) -> tuple[dict[str, Any], int]:
    """The plans of these streams as one JSON object, and the exit code."""
    from prm_sync.flows.push import plan as planned

    plans: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    code = 0
    for name, stream_name in wanted:
        try:
            plans += [described(app, p, limit, show=show) for p in planned(app, name, stream_name)]
        except (ConnectorError, ConfigError) as error:
            failures.append({"connection": name, "stream": stream_name, "message": str(error)})
            code = max(code, terminal.exit_code(error))
    return {"state": "failed" if failures else "done", "plans": plans, "failures": failures}, code


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


def described(app: App, plan: Plan, limit: int | None, *, show: bool) -> dict[str, Any]:
    """A plan as one JSON object, at most `limit` of its changes with their values; None: all."""
    from prm_sync.rules import reconcile
    from prm_sync.warehouse import plans, targets

    hidden = frozenset() if show else personal.written_personal(app, plan.connection, plan.stream)
    counts, head = plan.counts, plan.head
    held = reconcile.within(
        counts, app.limits_of(plan.connection, plan.stream), targets.records(app.db, plan.connection, plan.stream)
    )
    changes = [
        {
            "entity_id": i.entity_id,
            "remote_id": i.remote_id,
            "op": "create" if i.creates else "update" if i.op == "upsert" else i.op,
            "revoked": list(i.revoked),
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
    with app.db.begin() as tx:
        kept = plans.find(tx, head.id)
    return {
        "id": head.id,
        "hash": head.hash,
        "connection": plan.connection,
        "stream": plan.stream,
        "entity": plan.entity,
        "compared": plan.compared,
        **counts.told(),
        "held": held.message if held else None,
        "state": kept.state if kept is not None else None,
        "changes": changes,
        "not_shown": len(plan.intents) - len(changes),
    }


def show_all(data: dict[str, Any]) -> None:
    """The plans, for people."""
    for p in data["plans"]:
        _show(p)
    for f in data["failures"]:
        terminal.complain(f"{f['connection']}.{f['stream']}: {f['message']}")
    if not data["plans"] and not data["failures"]:
        terminal.say("nothing is written anywhere: no mapping has a `back:` part")


def _show(p: dict[str, Any]) -> None:
    counts = ", ".join(f"{n} {p[n]:,}" for n in ("create", "update", "delete", "skip", "conflict"))
    terminal.say(f"{p['connection']}.{p['stream']} ({p['entity']}): {counts}", "bold")
    rows = [
        (c["op"], c["remote_id"] or c["entity_id"], f["field"], f["old"], f["new"])
        for c in p["changes"]
        for f in c["fields"] or [{"field": "*", "old": None, "new": None}]
    ]
    if rows:
        terminal.table("", ("", "record", "field", "old", "new"), rows)
    revoked = sum(bool(c["revoked"]) for c in p["changes"])
    if revoked:
        terminal.say(f"{revoked:,} of these take back from partners what they may no longer see")
    if p["not_shown"]:
        terminal.say(f"and {p['not_shown']:,} more changes; --limit shows them")
    if p["held"]:
        waits = "is held" if p["state"] == "held" else "will be held"
        terminal.say(f"beyond its limits, {waits}: {p['held']}", "yellow")
    if p["changes"] or p["not_shown"]:
        terminal.say(f"`prm-sync approve {p['id']}` applies exactly this")


def list_plans(app: App, limit: int, *, as_json: bool) -> None:
    """The plans that are kept, those that wait for somebody first."""
    from prm_sync.warehouse import plans

    with app.db.begin() as tx:
        waiting = plans.latest(tx, limit, plans.OPEN)
        others = [r for r in plans.latest(tx, limit) if r.state not in plans.OPEN]
    found = [dict(r._mapping) for r in (*waiting, *others)][:limit]  # noqa: SLF001 SQLAlchemy's documented name

    def people() -> None:
        terminal.table(
            "Plans",
            ("plan", "stream", "state", "changes", "made", "why, or who"),
            (
                (
                    r["id"],
                    f"{r['connection']}.{r['stream']}",
                    r["state"],
                    terminal.numbers({n: v for n, v in r["counts"].items() if n != "skip"}),
                    r["created_at"],
                    r["approved_by"] or r["reason"],
                )
                for r in found
            ),
            empty="none was made yet",
        )

    terminal.result({"state": "done", "plans": found}, people, as_json=as_json)


def approve(
    plan_id: Annotated[str, typer.Argument(help="Id of the plan, as `prm-sync plan` or `prm-sync status` shows it.")],
    by: Annotated[str | None, typer.Option("--by", help="Who approves; your login name by default.")] = None,
    look: Annotated[
        bool, typer.Option(help="Look at the records in the remote first; else only at what was pulled.")
    ] = True,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Apply exactly this plan; or say what changed since, and apply nothing (exit code 3)."""
    from prm_sync.flows.approve import approve as apply

    with opening.opened() as app:
        who = by or getpass.getuser()
        done = apply(app, plan_id, who, look=look)
        hidden = frozenset() if show_values else personal.written_personal(app, done.connection, done.stream)
    report = done.report
    changed = [
        {
            "entity_id": c.entity_id,
            "remote_id": c.remote_id,
            "field": c.field,
            "why": c.why,
            "planned": personal.masked(c.planned, hide=c.field in hidden),
            "now": personal.masked(c.now, hide=c.field in hidden),
        }
        for c in done.changed
    ]
    data = {
        "state": report.state.value,
        "id": plan_id,
        "connection": done.connection,
        "stream": done.stream,
        "counts": dict(done.counts),
        "done": dict(report.counts()),
        "by": who,
        "changed": changed,
        "message": report.message,
    }

    def people() -> None:
        if changed:
            columns = ("remote_id", "field", "why", "planned", "now")
            terminal.table("Changed since", columns, [[c[n] or "" for n in columns] for c in changed[:SAMPLE]])
        else:
            terminal.say(f"approved by {who}: {terminal.numbers(report.counts())}")
        if report.message:
            terminal.say(report.message, "yellow")

    terminal.result(data, people, as_json=as_json, code=EXIT_CODE[report.state])
