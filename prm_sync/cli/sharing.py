"""`prm-sync sharing`: what a partner would see of a record, in which form and for what; and why not the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.cli.explain import id_of
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.app import App

sharing = typer.Typer(no_args_is_help=True, help="What partners may see.")
LATEST = 20  #: rows of the share log that are shown


@sharing.command("explain", epilog="Example: prm-sync sharing explain an@example.vn --partner nordwind")
def explain_(
    name: Annotated[str, typer.Argument(help="Id here, remote id, <connection>:<remote id>, e-mail address or name.")],
    partner: Annotated[
        str | None,
        typer.Option("--partner", "-p", help="Key of the partner; by default whoever it is offered to or belongs to."),
    ] = None,
    entity: Annotated[
        str, typer.Option("--entity", "-e", help="What it is.", autocompletion=opening.entity_names)
    ] = "lead",
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Explain what a partner would see of a record today, under which entry of the policy, and why not the rest."""
    from prm_sync.warehouse import disclosures

    with opening.opened() as app:
        if entity not in app.entities:
            raise ConfigError(f"there is no entity {entity!r}; there are: {', '.join(app.entities)}")
        with app.db.begin() as tx:
            id_ = id_of(app, tx, entity, name)
            log = disclosures.logged(tx, id_, LATEST)
        data = {
            "state": "done", "entity": entity, "id": id_, "policy": app.policies.sharing.version,
            "streams": _streams(app, entity, id_, partner, show=show_values), "log": log,
        }  # fmt: skip
    terminal.result(data, lambda: _show(data), as_json=as_json)


def _streams(app: App, entity: str, id_: str, partner: str | None, *, show: bool) -> list[dict[str, Any]]:
    from prm_sync.flows.disclosing import seen_of

    fields = app.entities[entity].by_name
    out = []
    for seen in seen_of(app, entity, id_, partner):
        told = seen.told
        out.append(
            {
                "connection": seen.connection,
                "stream": seen.stream,
                "partner": seen.partner.key,
                "tier": seen.partner.tier,
                "programme": seen.partner.programme,
                "seen": [
                    {
                        "field": n,
                        "value": personal.masked(
                            told.values[n], hide=not show and n in fields and personal.is_personal(fields[n])
                        ),
                        "purpose": t.purpose,
                        "entry": t.entry,
                        "mask": t.mask,
                    }
                    for n, t in told.terms.items()
                ],
                "withheld": [{"field": n, "why": why} for n, why in told.withheld.items()],
            }
        )
    return out


def _show(data: dict[str, Any]) -> None:
    terminal.say(f"{data['entity']} {data['id']}, policy {data['policy']}", "bold")
    for s in data["streams"]:
        where = f"{s['connection']}.{s['stream']}, partner {s['partner'] or 'none'}"
        columns = ("field", "value", "mask", "purpose", "entry")
        terminal.table(f"Seen at {where}", columns, [[r[c] for c in columns] for r in s["seen"]], empty="nothing")
        terminal.table("Kept back", ("field", "why"), [(r["field"], r["why"]) for r in s["withheld"]], empty="nothing")
    if not data["streams"]:
        terminal.say("no mapping writes it to a PRM: no partner sees anything of it")
    logged = ("at", "kind", "connection", "target", "partner_key", "purpose", "fields")
    terminal.table("Share log", logged, [[r[c] for c in logged] for r in data["log"]], empty="nothing left so far")
