"""`prm-sync conflict`: fields that two systems changed differently or that go back and forth, and the decisions."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, PrmSyncError

if TYPE_CHECKING:
    from prm_sync.app import App

conflict = typer.Typer(no_args_is_help=True, help="Fields that two systems changed differently.")
STATES = ("open", "ruled", "resolved", "closed", "all")


@conflict.command("list", epilog="Example: prm-sync conflict list --entity lead --state open")
def list_(
    entity: Annotated[
        str | None, typer.Option("--entity", "-e", help="Only this entity.", autocompletion=opening.entity_names)
    ] = None,
    field: Annotated[str | None, typer.Option("--field", "-f", help="Only this field.")] = None,
    state: Annotated[
        str, typer.Option("--state", help="open, ruled (by the field's rule), resolved (by a person), closed or all.")
    ] = "open",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Conflicts to list.")] = 20,
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Count conflicts by field, and list the latest: who said what, when, and what was agreed before."""
    from prm_sync.cli import lookups

    if state not in STATES:
        raise ConfigError(f"--state {state!r}: it is one of {', '.join(STATES)}")
    chosen = {k: v for k, v in (("entity", entity), ("field", field)) if v is not None}
    if state != "all":
        chosen["state"] = state
    with opening.opened() as app, app.db.begin() as tx:
        counts = lookups.conflict_counts(tx, chosen)
        found = [_shown(app, row, show=show_values) for row in lookups.conflicts(tx, chosen, limit)]

    def people() -> None:
        columns = ("state", "kind", "entity", "field", "rule", "n")
        terminal.table("Conflicts", columns, ([r[c] for c in columns] for r in counts), empty=f"none is {state}")
        if found:
            rows = ((r["id"], r["entity_id"], r["field"], _sides(r), r["agreed"], r["opened_at"]) for r in found)
            terminal.table("Latest", ("id", "entity", "field", "who says what", "agreed before", "since"), rows)

    terminal.result({"state": "done", "counts": counts, "conflicts": found}, people, as_json=as_json)


@conflict.command(epilog="Example: prm-sync conflict show conflict_1f2e3d4c5b6a --show-values")
def show(
    conflict_id: Annotated[str, typer.Argument(help="Id, as `prm-sync conflict list` shows it.")],
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Show one conflict with its evidence: each system's value, when it changed it, and the value before."""
    with opening.opened() as app:
        row = _shown(app, _found(app, conflict_id), show=show_values)

    def people() -> None:
        head = ("kind", "entity", "entity_id", "field", "rule", "state", "agreed", "value", "resolved_by")
        terminal.table(row["id"], ("", ""), [(name, row[name]) for name in head if row[name] is not None])
        if row["kind"] == "flip_flop":
            where = f"{row['connection']}.{row['stream']} {row['remote_id']}"
            written = ("at", "old", "new")
            terminal.table(f"Writes to {where}", written, [[w[c] for c in written] for w in row["sides"]])
        else:
            said = ("connection", "record", "before", "value", "at")
            terminal.table("Who says what", said, [[s[c] for c in said] for s in row["sides"]])
        if row["state"] == "open":
            terminal.say(_way_out(row))

    terminal.result({"state": "done", "conflict": row}, people, as_json=as_json)


@conflict.command(epilog="Example: prm-sync conflict resolve conflict_1f2e3d4c5b6a --take crm --by Linh")
def resolve(
    conflict_id: Annotated[str, typer.Argument(help="Id, as `prm-sync conflict list` shows it.")],
    take: Annotated[
        str | None, typer.Option("--take", help="The connection whose value stands; 'agreed': the value before both.")
    ] = None,
    value: Annotated[str | None, typer.Option("--value", help="Another value that stands.")] = None,
    thaw: Annotated[bool, typer.Option("--thaw", help="A field that went back and forth: write it again.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who decides; your login name by default.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Decide a conflict. The decision is remembered, and goes to all systems with the next refine and push."""
    from prm_sync.warehouse import conflicts

    who = by or getpass.getuser()
    if (take is not None) + (value is not None) + thaw != 1:
        raise ConfigError("say one of --take <connection>, --value <value> and --thaw")
    with opening.opened() as app:
        row = _found(app, conflict_id)
        if row["state"] != "open":
            raise PrmSyncError(f"{conflict_id} is {row['state']} already; `prm-sync conflict list` shows what is open")
        if thaw != (row["kind"] == "flip_flop"):
            raise ConfigError(f"{conflict_id}: {_way_out(row)}")
        stands = None if thaw else _value(app, row, take, value)
        if not conflicts.resolve(app.db, row, stands, who, app.clock()):
            raise PrmSyncError(f"{conflict_id} was decided by somebody else just now")
        data = {"state": "done", "conflict": _shown(app, _found(app, conflict_id), show=False)}
    what = f"{row['entity']}.{row['field']} of {row['entity_id']}"
    text = f"decided by {who}: {what}; `prm-sync run refine push` carries it out"
    terminal.result(data, lambda: terminal.say(text), as_json=as_json)


def _found(app: App, conflict_id: str) -> dict[str, Any]:
    from prm_sync.cli import lookups

    with app.db.begin() as tx:
        found = lookups.conflicts(tx, {"id": conflict_id}, 1)
    if not found:
        raise ConfigError(f"there is no conflict {conflict_id!r}; `prm-sync conflict list` names them")
    return found[0]


def _value(app: App, row: dict[str, Any], take: str | None, value: str | None) -> Any:
    """The value that is to stand, as JSON can say it. Raises ConfigError for one that the field cannot have."""
    from prm_sync.canonical.values import PARSERS

    if take == "agreed":
        return row["agreed"]
    if take is not None:
        sides = {s["connection"]: s["value"] for s in row["sides"]}
        if take not in sides:
            raise ConfigError(f"--take {take!r}: the conflict is between {', '.join(sorted(sides))}")
        return sides[take]
    field = app.entities[row["entity"]].by_name[row["field"]]
    try:
        parsed = PARSERS[field.kind](value)
    except ValueError as wrong:
        raise ConfigError(f"--value: {field.name} is a {field.kind}: {wrong}") from None
    if field.choices and parsed not in field.choices:
        raise ConfigError(f"--value: {field.name} is one of {', '.join(field.choices)}")
    return parsed


def _shown(app: App, row: dict[str, Any], *, show: bool) -> dict[str, Any]:
    """A conflict without the values of persons, unless they were asked for."""
    if row["kind"] == "flip_flop":
        hide = row["field"] in personal.written_personal(app, row["connection"], row["stream"])
    else:
        hide = personal.is_personal(app.entities[row["entity"]].by_name[row["field"]])
    hide = hide and not show

    def masked(values: dict[str, Any]) -> dict[str, Any]:
        names = ("value", "before", "old", "new", "agreed")
        return {k: personal.masked(v, hide=hide and k in names) for k, v in values.items()}

    return {**masked(row), "sides": [masked(s) for s in row["sides"]]}


def _sides(row: dict[str, Any]) -> str:
    if row["kind"] == "flip_flop":
        return f"{row['connection']}: {row['rule']}"
    return "; ".join(f"{s['connection']}: {terminal.shown(s['value'])}" for s in row["sides"])


def _way_out(row: dict[str, Any]) -> str:
    if row["kind"] == "flip_flop":
        return f"end what sets the field back, then `prm-sync conflict resolve {row['id']} --thaw`"
    names = " or ".join(f"--take {s['connection']}" for s in row["sides"])
    return f"decide it with `prm-sync conflict resolve {row['id']}` and {names}, or --value"
