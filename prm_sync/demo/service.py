"""The service partners of the demo: what they write into the folder that they see, and the story of one case."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.demo.scenes import Scene
from prm_sync.errors import PrmSyncError
from prm_sync.rules.routing import explain

PORTAL = "portal"  #: the connection, and the folder, that partners see
Fate = Literal["solved", "declined", "silent", "at work"]
FATES: tuple[Fate, ...] = ("solved", "declined", "silent", "at work")  #: of cases, in turn
RESOLUTION = "已更换电源，设备恢复正常"
REASON = "لا توجد قطع غيار"
ANSWER_H, RESPOND_H, SOLVE_H = 1.0, 1.5, 22.0  #: hours after a case was given to a partner


def answer(folder: Path) -> int:
    """The partners open the table, fill in what they did with their cases, and save it; how many they answered."""
    path = folder / PORTAL / "cases.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        header, rows = list(reader.fieldnames or ()), sorted(reader, key=lambda row: row["Key"])
    answered = 0
    for n, row in enumerate(rows):
        said = dict(_said(FATES[n % len(FATES)], datetime.fromisoformat(row["Assigned At"])))
        row.update(said)
        answered += bool(said)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    return answered


def _said(fate: Fate, given: datetime) -> Iterator[tuple[str, str]]:
    """The cells that a partner fills."""

    def after(hours: float) -> str:
        return f"{given + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"

    if fate == "silent":
        return
    yield from (("Answer", "Declined" if fate == "declined" else "Accepted"), ("Answered At", after(ANSWER_H)))
    if fate == "declined":
        yield "Decline Reason", REASON
        return
    yield from (("Stage", "Working"), ("First Response At", after(RESPOND_H)))
    if fate == "solved":
        yield from (("Stage", "Solved"), ("Solved At", after(SOLVE_H)), ("Resolution", RESOLUTION))


def routed_case(app: App) -> Scene:
    """A case that a partner has solved. Raises PrmSyncError where none is, or the CRM was not told."""
    with app.db.begin() as tx:
        row = tx.execute(
            sa.text(
                """
                SELECT g.id, g.number, f.account_city, f.account_country, f.offer_partner_name,
                       f.offer_responded_at - f.offered_at AS response,
                       f.offer_resolved_at - f.offered_at AS resolution,
                       (SELECT array_agg(DISTINCT n) FROM ops.share_log l, unnest(l.fields) n
                        WHERE l.entity_id = g.id AND l.connection = :portal) AS left
                FROM core.case_facts f JOIN core."case" g USING (id)
                WHERE f.offer_standing = 'resolved' AND EXISTS (
                    SELECT FROM ops.write_log w WHERE w.entity = 'case' AND w.entity_id = g.id AND w.connection = 'crm'
                    AND w.field = 'Prm_Resolved_At__c')
                ORDER BY g.number LIMIT 1
                """
            ),
            {"portal": PORTAL},
        ).one_or_none()
        if row is None:
            raise PrmSyncError("demo: no case was solved by a partner and told to the CRM")
        decision = tx.execute(
            sa.text("SELECT * FROM ledger.case_decision WHERE case_id = :id ORDER BY rank DESC LIMIT 1"), {"id": row.id}
        ).mappings().one()  # fmt: skip
        names = {r[0]: r[1] for r in tx.execute(sa.text("SELECT id, name FROM core.partner"))}
    lines = explain({**decision, "decided_at": decision["decided_at"].isoformat(timespec="minutes")}, names)
    [why] = [line.strip() for line in lines if ": chosen:" in line]
    others = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in decision["reasons"].items())
    return Scene(
        "case",
        f"case {row.number} from {row.account_city} ({row.account_country}) went to {why}; the others: {others}",
        f"{row.offer_partner_name} saw {len(row.left)} fields of it in {PORTAL}/cases.csv, no e-mail address among "
        f"them; answered the customer after {_hours(row.response)} h and solved it after {_hours(row.resolution)} h: "
        "the CRM's case says so",
        f"prm-sync explain case {row.number}", 0, str(row.id),
    )  # fmt: skip


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:.1f}"
