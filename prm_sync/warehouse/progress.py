"""How far each step has come: `core.progress`."""

from __future__ import annotations

import sqlalchemy as sa


def upto(tx: sa.Connection, step: str, policy_hash: str) -> int:
    """Changes up to this number were done with this configuration; 0: with another one, or never."""
    row = tx.execute(
        sa.text("SELECT upto, policy_hash FROM core.progress WHERE step = :step"), {"step": step}
    ).one_or_none()
    return int(row.upto) if row is not None and row.policy_hash == policy_hash else 0


def keep(tx: sa.Connection, step: str, number: int, policy_hash: str) -> None:
    """Note that everything up to `number` is done."""
    tx.execute(
        sa.text(
            "INSERT INTO core.progress (step, upto, policy_hash) VALUES (:step, :upto, :hash) "
            "ON CONFLICT (step) DO UPDATE SET upto = :upto, policy_hash = :hash"
        ),
        {"step": step, "upto": number, "hash": policy_hash},
    )
