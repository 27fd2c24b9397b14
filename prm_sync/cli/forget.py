"""`prm-sync forget`: a person goes from the warehouse and the PRMs, and a receipt says what went."""

from __future__ import annotations

from typing import Annotated

import typer

from prm_sync.cli import opening, terminal


def forget(
    email: Annotated[str, typer.Option("--email", help="The person's e-mail address.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: terminal.Json = False,
) -> None:
    """Remove a person from the warehouse and the PRMs, for good; a keyed hash keeps the next pull from bringing them.

    The CRM is left alone: what it still has is counted on the receipt.
    """
    from prm_sync.flows.forget import forget as apply
    from prm_sync.flows.report import EXIT_CODE

    if not yes:
        typer.confirm("This cannot be taken back. Go on?", abort=True, err=True)
    with opening.opened() as app:
        receipt = apply(app, email)
    report = receipt.report
    data = {
        "state": report.state.value,
        "receipt": receipt.id,
        "persons": report.numbers.get("persons", 0),
        "removed": receipt.removed,
        "deleted": receipt.deleted,
        "left": receipt.left,
        "kept_elsewhere": receipt.kept_by_crm,
        "hashes": receipt.hashes,
        "mentions": receipt.mentions,
        "message": report.message,
    }

    def people() -> None:
        terminal.say(f"receipt {receipt.id}: {data['persons']} records of persons forgotten", "bold")
        rows = [("removed from the warehouse", n, c) for n, c in receipt.removed.items()]
        rows += [("deleted in the PRM", n, c) for n, c in receipt.deleted.items()]
        rows += [("still in the PRM: push, or delete it there", n, c) for n, c in receipt.left.items()]
        rows += [("left to its own system, not read any more", n, c) for n, c in receipt.kept_by_crm.items()]
        terminal.table("", ("what", "where", "n"), rows, empty="nothing was known of this address")
        if receipt.mentions:
            terminal.say(f"{receipt.mentions} records of other kinds (deal registrations) name the address", "yellow")
        if report.message:
            terminal.say(report.message, "yellow")

    terminal.result(data, people, as_json=as_json, code=EXIT_CODE[report.state])
