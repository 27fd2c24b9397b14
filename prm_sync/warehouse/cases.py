"""What routing looks at of cases, besides what it looks at of everything that is routed (`offers`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.canonical.entities import CASE_PRIORITIES, USUAL_PRIORITY
from prm_sync.warehouse.offers import PARTNER_OF_ACCOUNT, UNSOLVED
from prm_sync.warehouse.views import entity_of


def undecided_cases(
    tx: sa.Connection, statuses: Sequence[str], touched_after: int, after: tuple[float, str], size: int, _: datetime
) -> Sequence[sa.Row[Any]]:
    """Cases that may be given to a partner and that none has: the most urgent first, then by id.

    Only those changed since, and only those that come after `after` (priority, id). Where a case is, and what it asks
    for, is told by the case, else by its account and the person who asks.
    """
    return tx.execute(
        sa.text(
            f"""
            SELECT * FROM (
                SELECT coalesce(array_position(cast(:priorities AS text[]), g.priority),
                                array_position(cast(:priorities AS text[]), :unstated)) - 1.0 AS priority,
                       g.id, g.status, coalesce(g.country, a.country) AS country,
                       CASE WHEN g.country IS NULL OR g.country = a.country THEN a.region END AS region,
                       CASE WHEN g.country IS NULL OR g.country = a.country THEN a.postcode END AS postcode,
                       NULL AS segment, g.product, a.industry, coalesce(g.language, c.language) AS language,
                       g.required_certification, a.domain, g.is_test, a.account_number,
                       {PARTNER_OF_ACCOUNT} AS account_partner_id, cast('{{}}' AS text[]) AS registered_by,
                       coalesce(o.declined_by, '{{}}') AS declined_by, coalesce(o.expired_by, '{{}}') AS expired_by,
                       coalesce(o.offers, 0) AS offers
                FROM core."case" g
                LEFT JOIN core.account a ON g.account_ref IS NOT NULL AND a.id = {entity_of("account=g.account_ref")}
                LEFT JOIN core.contact c ON g.contact_ref IS NOT NULL AND c.id = {entity_of("contact=g.contact_ref")}
                LEFT JOIN LATERAL (
                    SELECT count(*) AS offers, array_agg(partner_id) FILTER (WHERE state = 'declined') AS declined_by,
                           array_agg(partner_id) FILTER (WHERE state = 'expired') AS expired_by
                    FROM ledger.case_assignment o WHERE o.case_id = g.id) o ON true
                WHERE g.merged_into IS NULL AND g.deleted_at IS NULL AND g.is_test IS NOT TRUE
                  AND g.status = ANY(:statuses) AND (g.touched > :touched OR :touched = 0)
                  AND NOT EXISTS (SELECT FROM ledger.case_assignment o
                                  WHERE o.case_id = g.id AND o.state IN ('pending', 'accepted'))) f
            WHERE (priority < :priority OR priority = :priority AND id > :id) ORDER BY priority DESC, id LIMIT :size
            """
        ),
        {"statuses": list(statuses), "priority": after[0], "id": after[1], "touched": touched_after, "size": size,
         "priorities": list(CASE_PRIORITIES), "unstated": USUAL_PRIORITY},
    ).all()  # fmt: skip


def open_cases(tx: sa.Connection, after: int, answering: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Assignments that wait, and the last ones of which anything changed after that number; as `offers.open_offers`."""
    return tx.execute(
        sa.text(
            """
            SELECT o.*, o.case_id AS thing_id, g.status, g.id IS NULL OR g.deleted_at IS NOT NULL AS gone,
                   g.merged_into IS NOT NULL AS merged, p.manager, NULL AS sold_by,
                   ARRAY(SELECT DISTINCT x.connection FROM core.crosswalk x WHERE x.entity = 'partner'
                         AND x.entity_id = o.partner_id AND x.connection = ANY(:answering)) AS connections
            FROM ledger.case_assignment o
            LEFT JOIN core."case" g ON g.id = o.case_id
            LEFT JOIN core.partner p ON p.id = o.partner_id
            WHERE o.state = 'pending'
               OR o.state = 'accepted' AND (o.touched > :after OR g.touched > :after)
                  AND NOT EXISTS (SELECT FROM ledger.case_assignment n WHERE n.case_id = o.case_id AND n.rank > o.rank)
            ORDER BY o.id
            """
        ),
        {"after": after, "answering": list(answering)},
    ).all()


def overdue_cases(tx: sa.Connection, now: datetime) -> Sequence[sa.Row[Any]]:
    """Cases that are not solved in time, of which nobody was told yet; they are noted as told."""
    return tx.execute(
        sa.text(
            "UPDATE ledger.case_assignment o SET overdue_at = :now FROM core.partner p WHERE p.id = o.partner_id "
            f"AND overdue_at IS NULL AND resolve_by <= :now AND (o.state = 'pending' OR {UNSOLVED}) "
            "RETURNING o.id, o.case_id AS thing_id, o.partner_id, o.resolve_by, p.manager"
        ),
        {"now": now},
    ).all()
