"""`prm-sync connectors` and `emulate`: what can be connected, what a connection has, and vendors to try it with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.connect.emulator import Emulator

connectors = typer.Typer(no_args_is_help=True, help="The installed connectors, and the streams of a connection.")


@connectors.command("list", epilog="Example: prm-sync connectors list")
def list_(as_json: terminal.Json = False) -> None:
    """List the installed connectors and what each asks for."""
    from prm_sync.connect import registry

    rows: list[dict[str, Any]] = []
    for name in registry.names():
        c = registry.find(name)
        fields = c.config.model_fields
        rows.append(
            {
                "name": c.name,
                "title": c.title,
                "kind": c.kind,
                "emulator": c.emulator is not None,
                "limits": [f"{limit.name}: {limit.permits:,} per {limit.per_s:,.0f} s" for limit in c.limits],
                "required": [n for n, f in fields.items() if f.is_required()],
                "settings": list(fields),
            }
        )

    def people() -> None:
        columns = ("connector", "kind", "title", "limits", "emulator", "must be set")
        terminal.table(
            "",
            columns,
            (
                (
                    r["name"],
                    r["kind"],
                    r["title"],
                    "; ".join(r["limits"]),
                    "yes" if r["emulator"] else "no",
                    ", ".join(r["required"]),
                )
                for r in rows
            ),
        )

    terminal.result({"state": "done", "connectors": rows}, people, as_json=as_json)


@connectors.command(epilog="Example: prm-sync connectors streams crm")
def streams(
    connection: Annotated[str, typer.Argument(help="The connection.", autocompletion=opening.connection_names)],
    as_json: terminal.Json = False,
) -> None:
    """Ask a connection which streams it has, and what can be done with each."""
    with opening.opened() as app, app.session(connection, reading=True) as session:
        pulled = set(app.streams_of(connection))
        rows: list[dict[str, Any]] = [
            {
                "stream": s.name,
                "key": s.key,
                "fields": len(s.fields),
                "writable": sum(f.writable for f in s.fields),
                "incremental": s.incremental,
                "deletes": s.deletes.value,
                "match_on": list(s.match_on),
                "write_batch": s.write_batch,
                "pulled": s.name in pulled,
            }
            for s in session.discover()
        ]

    def people() -> None:
        columns = ("stream", "key", "fields", "reads", "deletes", "writes", "match on", "pulled")
        terminal.table(
            "",
            columns,
            (
                (
                    r["stream"],
                    r["key"],
                    r["fields"],
                    "changes" if r["incremental"] else "in full",
                    r["deletes"].replace("_", " "),
                    f"{r['writable']} fields" if r["write_batch"] else "no",
                    ", ".join(r["match_on"]),
                    "yes" if r["pulled"] else "no",
                )
                for r in rows
            ),
        )

    terminal.result({"state": "done", "streams": rows}, people, as_json=as_json)


def emulate(
    name: Annotated[str, typer.Argument(help="The connector.", autocompletion=opening.connector_names)],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    seed_demo: Annotated[bool, typer.Option("--seed-demo", help="With the records of the demo.")] = False,
    options: Annotated[Path | None, typer.Option("--options", help="JSON file with options of the emulator.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Serve the emulator of a connector on this machine until Ctrl-C. With --json one line when it answers."""
    from prm_sync.connect import registry
    from prm_sync.connect.emulator import load_emulator, run_forever

    connector = registry.find(name)
    if connector.emulator is None:
        raise ConfigError(
            f"the connector {name!r} has no emulator; those of `prm-sync connectors list` with `emulator: yes` have"
        )
    emulator = load_emulator(connector.emulator)
    chosen = _options(options)
    if seed_demo:
        emulator = _seeded(emulator, connector.kind)

    def ready(url: str) -> None:
        credentials = dict(emulator.credentials(url))
        if as_json:
            terminal.print_json({"url": url, "credentials": credentials})
        else:
            terminal.say(f"{emulator.name} is emulated at {url}; Ctrl-C stops it. Its config:")
            for key, value in credentials.items():
                terminal.say(f"  {key}: {value}")

    try:
        run_forever(emulator, port, ready, chosen)
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port, or 0 for any"
        ) from None


def _seeded(emulator: Emulator, kind: str) -> Emulator:
    """The same emulator, which begins with the rows of the demo's company."""
    from prm_sync.demo.company import Size, company

    made = company(Size(), 1, datetime.now(UTC))

    def build(options: Mapping[str, Any]) -> Any:
        app: Any = emulator.build(options)
        for name, rows in (made.crm if kind == "crm" else made.prm).items():
            app.load(name, list(rows))
        return app

    return replace(emulator, build=build)


def _options(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read as JSON ({type(error).__name__})", file=path) from None
    if not isinstance(found, dict):
        raise ConfigError("options are a JSON object", file=path)
    return found
