"""`ops.alert`: what somebody should look at. What is kept here is posted to the webhook by and by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

AGAIN_AFTER = timedelta(hours=24)  #: the same about the same subject is said once a day
NAMED = 5  #: ids that a message names


def keep(
    tx: sa.Connection, kind: str, said: Iterable[tuple[str, str]], now: datetime, dagster_run_id: str | None = None, *,
    again_after: timedelta = AGAIN_AFTER,
) -> int:  # fmt: skip
    """Keep alerts: (subject, message). Returns how many do not stand there already, from the last day.

    `again_after`: how long the same is not said again.
    """
    shared = {"kind": kind, "at": now, "since": now - again_after, "run": dagster_run_id}
    statement = sa.text(
        "INSERT INTO ops.alert (at, kind, subject, message, dagster_run_id) "
        "SELECT :at, :kind, :subject, :message, :run WHERE NOT EXISTS (SELECT FROM ops.alert "
        "WHERE kind = :kind AND subject = :subject AND message = :message AND at > :since)"
    )
    return sum(tx.execute(statement, {**shared, "subject": s, "message": m}).rowcount for s, m in said)


def some(ids: Sequence[str], what: str) -> str:
    """How many of what, and the first of them by id."""
    named = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
    return f"{len(ids):,} {what}{'s' if len(ids) > 1 else ''} ({named})"
