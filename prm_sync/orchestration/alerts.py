"""What somebody should look at: written to `ops.alert` first, then posted to the webhook until it takes it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import httpx
import sqlalchemy as sa
from pydantic import SecretStr

from prm_sync.warehouse.alerts import keep

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
GIVE_UP_AFTER = timedelta(days=1)


def raise_alert(
    engine: sa.Engine, kind: str, subject: str, message: str, now: datetime, dagster_run_id: str | None = None
) -> bool:
    """Keep an alert. False: the same stands there already, from the last day."""
    with engine.begin() as tx:
        if not keep(tx, kind, [(subject, message)], now, dagster_run_id):
            return False
    log.warning("alert", extra={"kind": kind, "subject": subject})
    return True


def post_waiting(
    engine: sa.Engine, url: SecretStr | None, now: datetime, client: httpx.Client | None = None
) -> tuple[int, int]:
    """Post what was not delivered yet, oldest first: (delivered, still waiting). Without a URL nothing is due.

    The body has `text`, which chat webhooks show, and the alert's own fields.
    """
    if url is None:
        return 0, 0
    with engine.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT id, at, kind, subject, message, dagster_run_id FROM ops.alert "
                "WHERE delivered_at IS NULL AND at > :since ORDER BY id LIMIT 50"
            ),
            {"since": now - GIVE_UP_AFTER},
        ).all()
    delivered = 0
    own = client or httpx.Client(timeout=TIMEOUT_S)
    try:
        for row in rows:
            body = {
                "text": f"prm-sync: {row.subject}: {row.message}", "id": row.id, "at": row.at.isoformat(),
                "kind": row.kind, "subject": row.subject, "message": row.message, "dagster_run_id": row.dagster_run_id,
            }  # fmt: skip
            try:
                own.post(url.get_secret_value(), json=body).raise_for_status()
            except httpx.HTTPError as error:  # the URL is a secret: only the kind of trouble is told
                log.warning("alert not delivered", extra={"alert": row.id, "error": type(error).__name__})
                break
            with engine.begin() as tx:
                tx.execute(
                    sa.text("UPDATE ops.alert SET delivered_at = :now WHERE id = :id"), {"now": now, "id": row.id}
                )
            delivered += 1
    finally:
        if client is None:
            own.close()
    return delivered, len(rows) - delivered
