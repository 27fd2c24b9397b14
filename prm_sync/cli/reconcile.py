"""`prm-sync reconcile`: whole streams against the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError, PrmSyncError
from prm_sync.flows.report import EXIT_CODE, FlowReport, State, worst

if TYPE_CHECKING:
    from prm_sync.app import App

COUNTS = ("remote", "warehouse", "pending", "missing", "extra", "different", "edited", "golden", "mended")


def reconcile(
    streams: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONNECTION.STREAM]...", help="Streams, or connections; all that are pulled, if none."),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what differs.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Show what the last time found; read nothing.")] = False,
    as_json: terminal.Json = False,
) -> None:
    """Read whole streams and compare them with the warehouse: what is missing, extra, different, or was edited here.

    Exit code 3: something differs and was not mended, or a quota ended the read.
    """
    with opening.opened() as app:
        chosen = _chosen(app, streams or ())
        if last:
            _show_last(app, chosen, as_json=as_json)
            return
        reports = [_one(app, c, s, repair=repair) for c, s in chosen]
        found = _kept(app, chosen)
    state = worst(r.state for r in reports)
    data = {
        "state": state.value,
        "streams": [
            {"target": r.target, "state": r.state.value, "message": r.message, "counts": dict(r.counts()),
             "samples": found[r.target]["samples"] if "remote" in r.numbers else {}}
            for r in reports
        ],
    }  # fmt: skip

    def people() -> None:
        rows = ([r.target, r.state.value, *(r.numbers.get(n, 0) for n in COUNTS)] for r in reports)
        terminal.table("", ("stream", "", *COUNTS), rows, empty="no stream is pulled")
        for r in reports:
            if r.message:
                terminal.say(r.message, "yellow")

    terminal.result(data, people, as_json=as_json, code=EXIT_CODE[state])


def _one(app: App, connection: str, stream: str, *, repair: bool) -> FlowReport:
    """One stream; an error of it does not stop the others."""
    from prm_sync.flows.reconcile import reconcile as compared

    try:
        return compared(app, connection, stream, repair=repair)
    except PrmSyncError as error:
        return FlowReport("reconcile", f"{connection}.{stream}", State.FAILED, str(error))


def _chosen(app: App, names: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    every = [(c, s) for c in app.connectors for s in app.streams_of(c)]
    out: list[tuple[str, str]] = []
    for name in names:
        found = [(c, s) for c, s in every if name in (c, f"{c}.{s}")]
        if not found:
            known = ", ".join(f"{c}.{s}" for c, s in every) or "none"
            raise ConfigError(f'there is no stream "{name}" here; there are: {known}')
        out += found
    return list(dict.fromkeys(out)) if names else every


def _kept(app: App, chosen: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    from prm_sync.warehouse import reconciliation

    with app.db.begin() as tx:
        found = {(r["connection"], r["stream"]): r for r in reconciliation.last(tx)}
    return {f"{c}.{s}": found[c, s] for c, s in chosen if (c, s) in found}


def _show_last(app: App, chosen: list[tuple[str, str]], *, as_json: bool) -> None:
    found = _kept(app, chosen)

    def people() -> None:
        rows = ([name, r["at"], *(r[n] for n in COUNTS)] for name, r in found.items())
        terminal.table("Last reconciliations", ("stream", "when", *COUNTS), rows)
        samples = [
            (name, kind, remote_id, ", ".join(fields))
            for name, r in found.items()
            for kind, ids in r["samples"].items()
            for remote_id, fields in ids.items()
        ]
        if samples:
            terminal.table("Some of what was found", ("stream", "", "record", "fields"), samples)

    terminal.result({"state": "done", "streams": list(found.values())}, people, as_json=as_json)
