"""`prm-sync explain`: why a record is what it is: where each value came from, who was chosen, what was written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError, PrmSyncError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from prm_sync.app import App
    from prm_sync.warehouse.offers import Book

LATELY = timedelta(days=30)
CALLED = ("email", "partner_key", "account_number", "number", "domain", "name")  #: fields by which people name a record


def explain(
    kind: Annotated[str, typer.Argument(help="lead, case, partner, account ...", autocompletion=opening.entity_names)],
    name: Annotated[str, typer.Argument(help="Id here, remote id, <connection>:<remote id>, e-mail address or name.")],
    show_values: terminal.ShowValues = False,
    as_json: terminal.Json = False,
) -> None:
    """Explain a record: sources of its values, its remote records, decisions with every candidate, offers, writes."""
    with opening.opened() as app:
        if kind not in app.entities:
            raise ConfigError(f"there is no entity {kind!r}; there are: {', '.join(app.entities)}")
        with app.db.begin() as tx:
            data = {"state": "done", **explained(app, tx, kind, id_of(app, tx, kind, name), show=show_values)}
    terminal.result(data, lambda: _show(data), as_json=as_json)


def id_of(app: App, tx: sa.Connection, kind: str, name: str) -> str:
    from prm_sync.cli import lookups

    fields = app.entities[kind].by_name
    found = lookups.find(tx, kind, name, [f for f in CALLED if f in fields])
    if not found:
        raise PrmSyncError(f"there is no {kind} with this id, remote id or name; `prm-sync status` says what was read")
    if len(found) > 1:
        raise PrmSyncError(f"{len(found)} records are called so; choose one by its id: {', '.join(found)}")
    return found[0]


def explained(app: App, tx: sa.Connection, kind: str, id_: str, *, show: bool) -> dict[str, Any]:
    """Everything that is known about a record, as one JSON object."""
    from prm_sync.cli import lookups
    from prm_sync.warehouse.offers import CASES, LEADS

    entity = app.entities[kind]
    row = lookups.golden(tx, kind, id_)
    id_, origin = row["id"], row["provenance"]
    data: dict[str, Any] = {
        "entity": kind,
        "id": id_,
        "deleted_at": row["deleted_at"],
        "sources": row["sources"],
        "values": [
            {"field": name, "value": value, "from": origin.get(name, origin.get("*"))}
            for name, value in personal.golden(entity, row, show=show).items()
        ],
        "records": lookups.crosswalk(tx, kind, id_),
    }
    if kind == "lead":
        data["known_as"] = lookups.lead_matches(tx, id_) if "opportunity" in app.entities else []
    if kind in ("lead", "case"):
        book = LEADS if kind == "lead" else CASES
        data["decisions"] = _decisions(tx, id_, book)
        data["offers"] = lookups.offers(tx, id_, book)
    if kind == "partner":
        data["offers_by_state"] = lookups.partner_offers(tx, id_)
        data["cases_by_state"] = lookups.partner_offers(tx, id_, CASES)
        data["routing_30_days"] = lookups.partner_in_routing(tx, id_, app.clock() - LATELY)
        data["months"] = lookups.partner_months(tx, id_)
    data["writes"] = lookups.writes(tx, kind, id_)
    for w in data["writes"]:
        hide = not show and w["field"] in personal.written_personal(app, w["connection"], w["stream"])
        w["old"], w["new"] = personal.masked(w["old"], hide=hide), personal.masked(w["new"], hide=hide)
    return data


def _decisions(tx: sa.Connection, id_: str, book: Book) -> list[dict[str, Any]]:
    from prm_sync.cli import lookups
    from prm_sync.rules.routing import explain as in_words

    names = lookups.partner_names(tx)
    return [
        {**d, "words": in_words({**d, "decided_at": d["decided_at"].isoformat()}, names)}
        for d in lookups.decisions(tx, id_, book)
    ]


def _show(data: dict[str, Any]) -> None:
    gone = f", deleted {terminal.shown(data['deleted_at'])}" if data["deleted_at"] else ""
    terminal.say(f"{data['entity']} {data['id']}: {data['sources']} remote records{gone}", "bold")
    terminal.table("Values", ("field", "value", "from"), [(v["field"], v["value"], v["from"]) for v in data["values"]])
    columns = ("connection", "stream", "remote_id", "matched_by", "since", "deleted_at")
    terminal.table("Remote records", columns, [[r[c] for c in columns] for r in data["records"]])
    for known in data.get("known_as", ()):
        terminal.say(f"known as {known['entity']} {known['entity_id']}: {known['why']} ({known['score']:.2f})")
    for decision in data.get("decisions", ()):
        for line in decision["words"]:
            terminal.say(line)
    for o in data.get("offers", ()):
        stage = f" ({o['partner_stage'].replace('_', ' ')})" if o["partner_stage"] else ""
        terminal.say(
            f"offer {o['rank']} to {o['partner'] or o['partner_id']}: {o['state']}{stage}, "
            f"{terminal.shown(o['offered_at'])}"
        )
        if o.get("resolve_by"):
            times = ("answer by", o["expires_at"]), ("responded", o["responded_at"]), ("resolve by", o["resolve_by"])
            said = [f"{name} {terminal.shown(at)}" for name, at in (*times, ("resolved", o["resolved_at"])) if at]
            terminal.say(f"  {', '.join(said)}")
        for e in o["events"]:
            note = f" ({e['note']})" if e["note"] else ""
            terminal.say(f"  {terminal.shown(e['at'])} {e['event']}{'' if e['applied'] else ', moved nothing'}{note}")
    if "offers_by_state" in data:
        terminal.say(f"offers: {terminal.numbers(data['offers_by_state']) if data['offers_by_state'] else 'none'}")
        if data["cases_by_state"]:
            terminal.say(f"cases: {terminal.numbers(data['cases_by_state'])}")
        lately = data["routing_30_days"]
        terminal.say(f"routing, last 30 days: {terminal.numbers(lately) if lately else 'no decision names it'}")
        months = (
            "period",
            "offered",
            "accepted",
            "declined",
            "expired",
            "won",
            "lost",
            "win_rate",
            "response_hours",
            "attainment",
        )
        terminal.table("Months", months, [[m[c] for c in months] for m in data["months"]])
    terminal.table(
        "Written to remote systems",
        ("at", "where", "record", "field", "old", "new"),
        (
            (w["at"], f"{w['connection']}.{w['stream']}", w["remote_id"], w["field"], w["old"], w["new"])
            for w in data["writes"]
        ),
    )
