"""`prm-sync status`: how everything stands, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prm_sync.cli import opening, terminal

if TYPE_CHECKING:
    from prm_sync.app import App

HEAD = 10  #: partners of whom the figures are shown


def status(as_json: terminal.Json = False) -> None:
    """Show streams, queues, last runs and partners at a glance."""
    from prm_sync.warehouse import embedded

    settings = opening.settings()
    server = "given" if settings.database_url is not None else embedded.status(settings.home).state
    if server == "absent":
        from prm_sync.project import read_project

        read_project(settings.project_file)
        text = "there is no warehouse yet; `prm-sync run` makes it"
        terminal.result({"state": "done", "server": "absent"}, lambda: terminal.say(text), as_json=as_json)
        return
    with opening.opened() as app:
        data = {"state": "done", "server": "given" if server == "given" else "ready", **standing(app)}
    terminal.result(data, lambda: _show(data), as_json=as_json)


def standing(app: App) -> dict[str, Any]:
    """Everything that the page shows."""
    from prm_sync.cli import lookups
    from prm_sync.warehouse import performance

    now = app.clock()
    with app.db.begin() as tx:
        streams = lookups.streams(tx)
        for s in streams:
            s["lag_s"] = round((now - s["read_at"]).total_seconds()) if s["read_at"] else None
        queues, runs = lookups.queues(tx), lookups.last_runs(tx)
        cases = lookups.cases(tx)
        months = sorted(
            (dict(r._mapping) for r in performance.latest(tx)),  # noqa: SLF001 SQLAlchemy's documented name
            key=lambda r: (-r["period"].toordinal(), -r["sourced_revenue"]),
        )
    known = {(s["connection"], s["stream"]) for s in streams}
    never = [f"{c}.{s}" for c in app.connectors for s in app.streams_of(c) if (c, s) not in known]
    return {
        "streams": streams,
        "never_read": never,
        **queues,
        "cases": cases,
        "runs": runs,
        "partners": months[:HEAD],
        "problems": [str(p) for p in app.problems],
    }


def _show(data: dict[str, Any]) -> None:
    terminal.table(
        "Streams",
        ("connection", "stream", "records", "last read", "ago", ""),
        (
            (
                s["connection"],
                s["stream"],
                s["records"],
                s["read_at"],
                _ago(s["lag_s"]),
                "to be mapped" if s["behind"] else "",
            )
            for s in data["streams"]
        ),
    )
    if data["never_read"]:
        terminal.say(f"never read: {', '.join(data['never_read'])}", "yellow")
    terminal.say(f"quarantine: {terminal.numbers(data['quarantine']) if data['quarantine'] else 'empty'}")
    terminal.say(f"conflicts: {terminal.numbers(data['conflicts']) if data['conflicts'] else 'none'}")
    terminal.say(f"outbox: {terminal.numbers(data['outbox']) if data['outbox'] else 'empty'}")
    if data["cases"]:
        terminal.say(f"cases: {terminal.numbers(data['cases'])}")
    for p in data["held"]:
        terminal.say(f"held: {p['connection']}.{p['stream']}: {p['reason']}; `prm-sync approve {p['id']}`", "yellow")
    for d in data["drift"]:
        terminal.say(f"drift: {d['connection']}.{d['stream']}: {d['message']}", "yellow")
    terminal.table(
        "Last runs",
        ("flow", "target", "state", "started", "seconds", "done"),
        (
            (
                r["verb"],
                r["target"],
                r["state"],
                r["started_at"],
                r["seconds"],
                r["message"] or terminal.numbers(r["counts"]),
            )
            for r in data["runs"]
        ),
    )
    terminal.table(
        "Partners",
        ("partner", "month", "offered", "accepted", "won", "sourced revenue", ""),
        (
            (
                p["partner"],
                f"{p['period']:%Y-%m}",
                p["offered"],
                p["accepted"],
                p["won"],
                money(p["sourced_revenue"], p["currency"]),
                p["currency"],
            )
            for p in data["partners"]
        ),
    )
    for problem in data["problems"]:
        terminal.complain(f"left out: {problem}", "yellow")


def money(minor: int, currency: str) -> float | int:
    """Minor units as people write them: not every currency has two digits."""
    from prm_sync.canonical.currencies import EXPONENTS

    places = EXPONENTS.get(currency, 2)
    return minor if not places else minor / 10**places


def _ago(seconds: int | None) -> str:
    if seconds is None:
        return "never to its end"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
