"""`prm-sync quarantine edit | edits | unedit`: fields of remote records corrected on our side."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.cli.quarantine import OfConnection, OfStream, quarantine
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.flows.replay import Replayed

__all__ = ["edit", "edits", "quarantine", "unedit"]  # the group, complete once this module is loaded

Connection = Annotated[str, typer.Argument(autocompletion=opening.connection_names)]
By = Annotated[str | None, typer.Option("--by", help="Who does it; you, by default.")]


def parsed(given: list[str]) -> dict[str, Any]:
    """`Field=text`, `Field:=JSON`, or `Field` alone: its value is asked for on the terminal. Raises ConfigError."""
    values: dict[str, Any] = {}
    for one in given:
        field, equals, text = one.partition("=")
        if not equals:
            values[one] = typer.prompt(one, default="", show_default=False, err=True)
        elif field.endswith(":"):
            try:
                values[field.removesuffix(":")] = json.loads(text)
            except ValueError:
                raise ConfigError(f"{field.removesuffix(':')}: what follows := is not JSON; quote it") from None
        else:
            values[field] = text
    if "" in values or not values:
        raise ConfigError("say what to correct: --set Field=value, --set Field:=null, or --set Field to be asked")
    return values


@quarantine.command(epilog="Example: prm-sync quarantine edit crm Lead 00Q5e00001abcde --set Country=Vietnam")
def edit(
    connection: Connection,
    stream: str,
    remote_id: str,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set", help="Remote field and value: Field=text, Field:=JSON, or Field alone, to be asked for the value."
        ),
    ],
    note: Annotated[str | None, typer.Option("--note", help="Why; kept with the correction.")] = None,
    by: By = None,
    as_json: terminal.Json = False,
) -> None:
    """Correct fields of a record before it is mapped, and map it again.

    Nothing is written to the remote. The correction is remembered until the source changes the field.
    """
    from prm_sync.flows.replay import RecordKey, correct

    values = parsed(changes)
    with opening.opened() as app:
        key = RecordKey(connection, stream, remote_id)
        done = correct(app, key, values, by=by or getpass.getuser(), note=note)
    _tell(done, sorted(values), "corrected", as_json=as_json)


@quarantine.command(epilog="Example: prm-sync quarantine unedit crm Lead 00Q5e00001abcde --field Country")
def unedit(
    connection: Connection,
    stream: str,
    remote_id: str,
    fields: Annotated[list[str] | None, typer.Option("--field", "-f", help="Remote field; all by default.")] = None,
    by: By = None,
    as_json: terminal.Json = False,
) -> None:
    """Take corrections of a record back, and map it again as its source has it."""
    from prm_sync.flows.replay import RecordKey, take_back

    with opening.opened() as app:
        key = RecordKey(connection, stream, remote_id)
        ended, done = take_back(app, key, fields or None, by=by or getpass.getuser())
    _tell(done, ended, "as in the source again", as_json=as_json)


@quarantine.command(epilog="Example: prm-sync quarantine edits --connection crm")
def edits(
    connection: OfConnection = None,
    stream: OfStream = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows to list.")] = 50,
    as_json: terminal.Json = False,
) -> None:
    """List what people have corrected, who and when, and whether it still applies."""
    from prm_sync.warehouse import corrections

    with opening.opened() as app, app.db.begin() as tx:
        found = corrections.listed(tx, connection, stream, limit)

    def people() -> None:
        columns = ("connection", "stream", "remote_id", "field", "made_by", "made_at", "note", "ended_at", "ended_by")
        head = ("connection", "stream", "record", "field", "by", "when", "note", "over since", "by")
        terminal.table("Corrections", head, ([r[c] for c in columns] for r in found))

    terminal.result({"state": "done", "edits": found}, people, as_json=as_json)


def _tell(done: Replayed, fields: list[str], what: str, *, as_json: bool) -> None:
    data = {"state": "done", "fields": fields, "resolved": done.resolved, "still": done.still}
    left = f"{done.still:,} left; `prm-sync quarantine show` names them" if done.still else "none left"
    text = f"{', '.join(fields)}: {what}; {done.resolved:,} troubles gone, {left}"
    terminal.result(data, lambda: terminal.say(text), as_json=as_json)
