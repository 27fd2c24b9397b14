"""`prm-sync match`: records that may be one, side by side, and what a person says of them."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, personal, terminal
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.app import App
    from prm_sync.warehouse.match_decisions import Made

match = typer.Typer(no_args_is_help=True, help="Records that may be one: look, decide, take back.")

OfEntity = Annotated[str, typer.Argument(help="Kind of entity.", autocompletion=opening.entity_names)]
One = Annotated[str, typer.Argument(help="A record: <connection>/<stream>/<remote id>.")]
Other = Annotated[str, typer.Argument(help="The other record.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides; your login name by default.")]


@match.command("list", epilog="Example: prm-sync match list contact")
def list_(
    entity: Annotated[
        str | None, typer.Argument(help="Only this kind of entity.", autocompletion=opening.entity_names)
    ] = None,
    decided: Annotated[bool, typer.Option("--decided", help="Decisions instead, the latest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows to list.")] = 20,
    as_json: terminal.Json = False,
) -> None:
    """List the pairs that wait for a decision, the least certain first; or the decisions that were made."""
    from prm_sync.cli import lookups
    from prm_sync.warehouse.match_decisions import waiting

    with opening.opened() as app, app.db.begin() as tx:
        if decided:
            data: dict[str, Any] = {"state": "done", "decisions": lookups.match_decisions(tx, entity, limit)}
        else:
            names = [_known(app, entity)] if entity else list(app.entities)
            queues = [waiting(tx, name, max(limit, 1)) for name in names]
            pairs = [{k: v for k, v in pair.items() if k != "waiting"} for queue in queues for pair in queue[:limit]]
            total = sum(queue[0]["waiting"] for queue in queues if queue)
            data = {"state": "done", "open": total, "pairs": pairs[:limit]}

    def people() -> None:
        if decided:
            columns = ("id", "entity", "verb", "records", "decided_by", "decided_at", "undone_at")
            rows = [[", ".join(r[c]) if c == "records" else r[c] for c in columns] for r in data["decisions"]]
            terminal.table("Decisions", columns, rows, empty="none was made")
            return
        terminal.table(
            "To decide",
            ("entity", "score", "record", "other record", "why"),
            ((r["entity"], r["score"], r["record_a"], r["record_b"], _words(r["reasons"])) for r in data["pairs"]),
            empty="no pair waits for a decision",
        )
        if data["open"] > len(data["pairs"]):
            terminal.say(f"{data['open']:,} pairs wait in all; --limit shows more")

    terminal.result(data, people, as_json=as_json)


@match.command(epilog="Example: prm-sync match show contact crm/Contact/0031 lists/people/17")
def show(
    entity: OfEntity, one: One, other: Other, show_values: terminal.ShowValues = False, as_json: terminal.Json = False
) -> None:
    """Show two records side by side, and why they may be one."""
    from prm_sync.cli import lookups
    from prm_sync.flows.match import pair_of

    with opening.opened() as app:
        pair = sorted(pair_of(app, _known(app, entity), (one, other)), key=lambda r: r.arrived)
        with app.db.begin() as tx:
            judged = lookups.match_of(tx, entity, pair[0].arrived, pair[1].arrived)
            values = [lookups.source_row(tx, entity, r.arrived) for r in pair]
        kind = app.entities[entity]
        sides = [personal.golden(kind, row, show=show_values) for row in values]
    data = {
        "state": "done", "entity": entity, "match": judged,
        "records": [
            {"record": r.name, "entity_id": r.entity_id, "values": side} for r, side in zip(pair, sides, strict=True)
        ],
    }  # fmt: skip

    def people() -> None:
        fields = [f.name for f in kind.fields if f.name in sides[0] or f.name in sides[1]]
        same = [values[0][f] is not None and values[0][f] == values[1][f] for f in fields]
        terminal.table(
            entity,
            ("field", pair[0].name, pair[1].name, ""),
            (
                ("is", pair[0].entity_id, pair[1].entity_id, ""),
                *((f, sides[0].get(f), sides[1].get(f), "=" if s else "") for f, s in zip(fields, same, strict=True)),
            ),
        )
        if judged is None:
            terminal.say("the two were never found alike")
        else:
            score = "" if judged["score"] is None else f", probability {judged['score']:.2f}"
            terminal.say(f"{judged['state']}{score}: {_words(judged['reasons']) or 'no reasons'}")
        if not show_values:
            terminal.say("personal values are hidden; --show-values shows them")

    terminal.result(data, people, as_json=as_json)


@match.command(epilog="Example: prm-sync match accept contact crm/Contact/0031 lists/people/17")
def accept(entity: OfEntity, one: One, other: Other, by: By = None, as_json: terminal.Json = False) -> None:
    """Say that a pair is one: it is merged at once."""
    _decide("accept", entity, one, other, by, as_json=as_json)


@match.command(epilog="Example: prm-sync match reject contact crm/Contact/0031 lists/people/17")
def reject(entity: OfEntity, one: One, other: Other, by: By = None, as_json: terminal.Json = False) -> None:
    """Say that a pair is two: whatever links them, they are kept apart, and separated where they were one."""
    _decide("reject", entity, one, other, by, as_json=as_json)


@match.command(epilog="Example: prm-sync match merge lead crm/Lead/00Q1 prm/leads/ld_9")
def merge(entity: OfEntity, one: One, other: Other, by: By = None, as_json: terminal.Json = False) -> None:
    """Make one of two records that nothing links, and of all that they were one with."""
    _decide("merge", entity, one, other, by, as_json=as_json)


@match.command(epilog="Example: prm-sync match split lead prm/leads/ld_9")
def split(entity: OfEntity, one: One, by: By = None, as_json: terminal.Json = False) -> None:
    """Take a record out of its entity, and keep it apart from the records that stay."""
    from prm_sync.flows import match as flow

    with opening.opened() as app:
        made = flow.split(app, _known(app, entity), one, by or getpass.getuser())
    _said(made, as_json=as_json)


@match.command(epilog="Example: prm-sync match undo 12")
def undo(
    decision: Annotated[int, typer.Argument(help="Number of the decision: `prm-sync match list --decided`.")],
    as_json: terminal.Json = False,
) -> None:
    """Take a decision back: pairs and entities are as before it."""
    from prm_sync.flows import match as flow

    with opening.opened() as app:
        made = flow.undo(app, decision)
    _said(made, as_json=as_json, undone=True)


@match.command(epilog="Example: prm-sync match train contact")
def train(entity: OfEntity, as_json: terminal.Json = False) -> None:
    """Learn weights from the decisions on pairs; print them for policies/identity.yaml."""
    import yaml

    from prm_sync.flows.match import learn

    with opening.opened() as app:
        learned = learn(app, _known(app, entity))
    weights = {"base": learned.matching.weights.base, "weights": dict(learned.matching.weights.of)}
    data = {
        "state": "done", "entity": entity, "decisions": learned.decisions, "agree_before": learned.agree_before,
        "agree_after": learned.agree_after, **weights,
    }  # fmt: skip

    def people() -> None:
        terminal.say(
            f"{learned.decisions:,} decisions: the present weights agree with {learned.agree_before:,} of them, "
            f"these with {learned.agree_after:,}; into policies/identity.yaml under entities.{entity}.resembles:"
        )
        terminal.say(yaml.safe_dump(weights, sort_keys=False).rstrip())

    terminal.result(data, people, as_json=as_json)


def _decide(verb: str, entity: str, one: str, other: str, by: str | None, *, as_json: bool) -> None:
    from prm_sync.flows import match as flow

    with opening.opened() as app:
        pair = flow.pair_of(app, _known(app, entity), (one, other))
        made = flow.decide(app, entity, verb, pair, by or getpass.getuser())
    _said(made, as_json=as_json)


def _known(app: App, entity: str) -> str:
    if entity not in app.entities:
        raise ConfigError(f"{entity!r} is no entity; there are: {', '.join(app.entities)}")
    return entity


def _said(made: Made, *, as_json: bool, undone: bool = False) -> None:
    data = {"state": "done", "decision": made.id, "verb": made.verb, "pairs": len(made.pairs), "moved": made.moved}
    moved = "; ".join(f"{before} -> {after}" for before, after in made.moved)
    text = f"decision {made.id} ({made.verb}) {'is taken back' if undone else 'is made'}"
    text += f"; records moved: {moved}" if moved else ""
    again = "" if undone else f"; `prm-sync match undo {made.id}` takes it back"
    terminal.result(data, lambda: terminal.say(text + again), as_json=as_json)


def _words(reasons: list[str]) -> str:
    from prm_sync.rules.identity import REASONS

    return ", ".join(REASONS.get(r, r) for r in reasons)
