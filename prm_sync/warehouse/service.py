"""Which partner serves which account and deal, and what that partner did last: `mart.partner_service`, for the CRM.

Who serves: the partner that CRM or PRM name; else the one that accepted a lead of it; else the one whose registration
of it was approved; else (accounts) the one with the primary credit of its last won deal.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from prm_sync.warehouse.views import entity_of, live, partner_by_key, partner_of

LOCK = "partner_service"  #: the name under which the change numbers of these rows are given out
_TOLD = (
    "partner_id", "partner", "partner_key", "since", "because", "score", "response_hours", "action", "action_at",
    "credit_kind", "credit_partner", "credit_partner_key", "credit_amount", "credit_currency", "influenced_by",
    "feedback_id", "feedback_touched",
)  # fmt: skip
_READ = (
    "core.account", "core.opportunity", "core.lead", "core.partner", "core.deal_registration", "core.activity",
    "core.feedback", "ledger.lead_offer", "ledger.credit_change", "mart.partner_performance",
)  # fmt: skip


def bring_up_to_date(tx: sa.Connection, after: int, month: str, touched: int, now: datetime) -> tuple[int, int]:
    """Look at accounts and deals of which anything changed after that number: (looked at, rows that differ).

    `month`: first day of the present month, YYYY-MM-DD; a partner's score is that of the month before.
    """
    values = {"after": after, "month": month, "touched": touched, "now": now}
    news = " OR ".join(f"EXISTS (SELECT FROM {table} WHERE touched > :after)" for table in _READ)
    if not tx.execute(sa.text(f"SELECT {news}"), values).scalar_one():
        return 0, 0
    for statement in (_LINKS, _CHANGED):
        tx.execute(sa.text(statement), values)
    looked_at = int(tx.exec_driver_sql("SELECT count(*) FROM pg_temp.looked_at").scalar_one())
    if not looked_at:
        return 0, 0
    for statement in _indexed("links", "looked_at"):
        tx.exec_driver_sql(statement)
    tx.execute(sa.text(_FOUND), values)
    columns = ", ".join(_TOLD)
    ours, theirs = (", ".join(f"{row}.{c}" for c in _TOLD) for row in ("s", "excluded"))
    written = tx.execute(
        sa.text(
            f"INSERT INTO mart.partner_service AS s (entity, entity_id, {columns}, as_of, touched) "
            f"SELECT entity, entity_id, {columns}, :now, :touched FROM pg_temp.served "
            "WHERE coalesce(partner_id, action, credit_partner, influenced_by[1], feedback_id) IS NOT NULL "
            "OR (entity, entity_id) IN (SELECT entity, entity_id FROM mart.partner_service) "
            "ON CONFLICT (entity, entity_id) DO UPDATE SET "
            f"{', '.join(f'{c} = excluded.{c}' for c in (*_TOLD, 'as_of', 'touched'))} "
            f"WHERE ({ours}) IS DISTINCT FROM ({theirs})"
        ),
        values,
    ).rowcount
    return looked_at, int(written)


def _indexed(*names: str) -> Iterable[str]:
    for name in names:
        yield f"CREATE INDEX ON pg_temp.{name} (entity, entity_id)"
        yield f"ANALYZE pg_temp.{name}"


_SOLD = entity_of("opportunity=l.converted_opportunity_ref")

# Everything that ties a partner's deed to an account or a deal. Deeds are few beside accounts: those of all times are
# put together each time that there is one more, and only accounts and deals of which something changed go on from here.
_LINKS = f"""
CREATE TEMP TABLE links ON COMMIT DROP AS
WITH offer AS (
  SELECT o.id, o.partner_id, o.state, o.answered_at, o.partner_stage, o.stage_at, o.touched,
         CASE WHEN l.account_ref IS NOT NULL THEN {entity_of("account=l.account_ref")} END AS account_id,
         coalesce({_SOLD}, d.id) AS deal_id, greatest(o.touched, l.touched) AS changed
  FROM ledger.lead_offer o JOIN core.lead l ON l.id = o.lead_id
  LEFT JOIN (SELECT {entity_of("lead=p.lead_ref")} AS lead_id, max(p.id) AS id FROM core.opportunity p
             WHERE p.lead_ref IS NOT NULL AND {live("p")} GROUP BY 1) d ON d.lead_id = l.id
  WHERE o.state IN ('accepted', 'declined') AND {live("l")}
), deal AS (
  SELECT d.id, {entity_of("account=d.account_ref")} AS account_id, d.touched
  FROM core.opportunity d WHERE d.account_ref IS NOT NULL AND {live("d")}
    AND (d.touched > :after OR d.id IN (SELECT deal_id FROM offer)
         OR d.id IN (SELECT opportunity_id FROM ledger.registration_decision)
         OR d.id IN (SELECT opportunity_id FROM ledger.deal_credit WHERE partner_id <> ''))
), registration AS (
  SELECT r.id, {entity_of("partner=r.partner_ref")} AS partner_id, r.submitted_at, v.outcome, v.decided_at,
         coalesce(CASE WHEN r.opportunity_ref IS NOT NULL THEN {entity_of("opportunity=r.opportunity_ref")} END,
                  v.opportunity_id) AS deal_id, r.touched
  FROM core.deal_registration r JOIN ledger.registration_decision v ON v.registration_id = r.id
  WHERE r.partner_ref IS NOT NULL AND {live("r")}
), activity AS (
  SELECT f.id, {entity_of("partner=f.partner_ref")} AS partner_id, {entity_of("account=f.account_ref")} AS account_id,
         f.type, f.at, f.touched
  FROM core.activity f WHERE f.partner_ref IS NOT NULL AND f.account_ref IS NOT NULL AND f.at IS NOT NULL
    AND {live("f")}
), feedback AS (
  SELECT f.id, coalesce({entity_of("account=f.account_ref")}, a.id) AS account_id, f.at, f.touched,
         {partner_of("f")} AS partner_id
  FROM core.feedback f {partner_by_key("f")}
  LEFT JOIN core.account a ON a.account_number = f.account_number AND a.merged_into IS NULL AND a.deleted_at IS NULL
  WHERE (f.account_ref IS NOT NULL OR f.account_number IS NOT NULL) AND {live("f")}
), deed AS (
  SELECT account_id, deal_id, partner_id, 'offer' AS source, CASE WHEN state = 'accepted' AND
           partner_stage IS DISTINCT FROM 'lost' THEN answered_at END AS serves_since,
         state || ' a lead' AS action, answered_at AS at, changed, NULL AS feedback_id FROM offer
  UNION ALL
  SELECT account_id, deal_id, partner_id, 'stage', NULL, 'lead: ' || partner_stage, stage_at, changed, NULL
  FROM offer WHERE partner_stage IS NOT NULL AND stage_at IS NOT NULL
  UNION ALL
  SELECT NULL, deal_id, partner_id, 'registration', CASE WHEN outcome = 'approve' THEN decided_at END,
         'registered the deal', submitted_at, touched, NULL FROM registration WHERE deal_id IS NOT NULL
  UNION ALL
  SELECT account_id, NULL, partner_id, 'activity', NULL, type, at, touched, NULL FROM activity
  UNION ALL
  SELECT account_id, NULL, partner_id, 'feedback', NULL, CASE WHEN partner_id IS NOT NULL THEN 'gave feedback' END, at,
         touched, id FROM feedback
)
SELECT 'opportunity' AS entity, deal_id AS entity_id, partner_id, source, serves_since, action, at, changed, feedback_id
FROM deed WHERE deal_id IS NOT NULL
UNION ALL
SELECT 'account', coalesce(e.account_id, d.account_id), e.partner_id, source, serves_since, action, at,
       greatest(changed, d.touched), feedback_id
FROM deed e LEFT JOIN deal d ON d.id = e.deal_id WHERE coalesce(e.account_id, d.account_id) IS NOT NULL
UNION ALL
SELECT 'account', d.account_id, c.partner_id, 'credit', (o.close_date + 1)::timestamp AT TIME ZONE 'UTC', NULL, NULL,
       greatest(d.touched, h.touched), NULL
FROM ledger.deal_credit c JOIN deal d ON d.id = c.opportunity_id JOIN core.opportunity o ON o.id = c.opportunity_id
LEFT JOIN ledger.credit_change h ON h.opportunity_id = c.opportunity_id AND h.partner_id = c.partner_id
WHERE c.is_primary AND c.partner_id <> '' AND d.account_id IS NOT NULL
"""

_NAMES = """SELECT x.connection || ':' || x.remote_id FROM core.crosswalk x WHERE x.entity = 'partner'
    AND x.entity_id IN (SELECT id FROM core.partner WHERE touched > :after)"""  #: of partners that changed
_CHANGED = f"""
CREATE TEMP TABLE looked_at ON COMMIT DROP AS
SELECT 'account' AS entity, a.id AS entity_id FROM core.account a WHERE a.touched > :after
  AND (a.partner_ref IS NOT NULL OR EXISTS (SELECT FROM pg_temp.links l
                                            WHERE l.entity = 'account' AND l.entity_id = a.id)
       OR EXISTS (SELECT FROM mart.partner_service s WHERE s.entity = 'account' AND s.entity_id = a.id))
UNION SELECT 'opportunity', d.id FROM core.opportunity d WHERE d.touched > :after
UNION SELECT 'opportunity', opportunity_id FROM ledger.credit_change WHERE touched > :after
UNION SELECT entity, entity_id FROM pg_temp.links WHERE changed > :after
UNION SELECT s.entity, s.entity_id FROM mart.partner_service s
  WHERE s.partner_id IN (SELECT id FROM core.partner WHERE touched > :after
                         UNION SELECT partner_id FROM mart.partner_performance
                         WHERE touched > :after AND period < CAST(:month AS date))
     OR s.feedback_id IN (SELECT id FROM core.feedback WHERE touched > :after)
UNION SELECT 'account', a.id FROM core.account a WHERE a.partner_ref IN ({_NAMES})
UNION SELECT 'opportunity', d.id FROM core.opportunity d WHERE d.partner_ref IN ({_NAMES})
UNION SELECT s.entity, s.entity_id FROM mart.partner_service s WHERE s.action IS NOT NULL AND NOT EXISTS (
  SELECT FROM pg_temp.links l
  WHERE (l.entity, l.entity_id, l.action, l.at) = (s.entity, s.entity_id, s.action, s.action_at))
UNION SELECT s.entity, s.entity_id FROM mart.partner_service s WHERE s.because <> 'named' AND NOT EXISTS (
  SELECT FROM pg_temp.links l WHERE (l.entity, l.entity_id, l.source, l.partner_id, l.serves_since)
                                    = (s.entity, s.entity_id, s.because, s.partner_id, s.since))
"""

_NAMED_SINCE = """(SELECT min(h.valid_from) FROM core.{0}_history h
    WHERE h.id = {1}.id AND h.partner_ref = {1}.partner_ref)"""
_FOUND = f"""
CREATE TEMP TABLE served ON COMMIT DROP AS
WITH named AS (
  SELECT k.entity, k.entity_id, {entity_of("partner=a.partner_ref")} AS partner_id,
         {_NAMED_SINCE.format("account", "a")} AS since
  FROM pg_temp.looked_at k JOIN core.account a ON k.entity = 'account' AND a.id = k.entity_id
  WHERE a.partner_ref IS NOT NULL
  UNION ALL
  SELECT k.entity, k.entity_id, {entity_of("partner=d.partner_ref")}, {_NAMED_SINCE.format("opportunity", "d")}
  FROM pg_temp.looked_at k JOIN core.opportunity d ON k.entity = 'opportunity' AND d.id = k.entity_id
  WHERE d.partner_ref IS NOT NULL AND d.credit IS DISTINCT FROM 'none'
), serving AS (
  SELECT DISTINCT ON (entity, entity_id) entity, entity_id, partner_id, since, because FROM (
    SELECT entity, entity_id, partner_id, since, 'named' AS because, 1 AS turn FROM named
    UNION ALL
    SELECT l.entity, l.entity_id, l.partner_id, l.serves_since, l.source,
           CASE l.source WHEN 'offer' THEN 2 WHEN 'registration' THEN 3 ELSE 4 END
    FROM pg_temp.links l JOIN pg_temp.looked_at k USING (entity, entity_id)
    WHERE l.serves_since IS NOT NULL AND l.source IN ('offer', 'registration', 'credit')) c
  WHERE partner_id IS NOT NULL ORDER BY entity, entity_id, turn, since DESC, partner_id
), acted AS (
  SELECT DISTINCT ON (l.entity, l.entity_id) l.entity, l.entity_id, l.action, l.at
  FROM pg_temp.links l JOIN pg_temp.looked_at k USING (entity, entity_id)
  LEFT JOIN serving s USING (entity, entity_id)
  WHERE l.action IS NOT NULL AND l.at IS NOT NULL AND (s.partner_id IS NULL OR l.partner_id = s.partner_id)
  ORDER BY l.entity, l.entity_id, l.at DESC, l.action
), said AS (
  SELECT DISTINCT ON (l.entity, l.entity_id) l.entity, l.entity_id, f.id, f.touched
  FROM pg_temp.links l JOIN pg_temp.looked_at k USING (entity, entity_id) JOIN core.feedback f ON f.id = l.feedback_id
  ORDER BY l.entity, l.entity_id, f.at DESC NULLS LAST, f.id
), influence AS (
  SELECT c.opportunity_id, array_agg(coalesce(p.partner_key, c.partner_id) ORDER BY 1) AS keys
  FROM ledger.deal_credit c LEFT JOIN core.partner p ON p.id = c.partner_id
  WHERE NOT c.is_primary AND c.opportunity_id IN (SELECT entity_id FROM pg_temp.looked_at) GROUP BY 1
)
SELECT k.entity, k.entity_id, s.partner_id, p.name AS partner, p.partner_key, s.since, s.because, m.score,
       m.response_hours, a.action, a.at AS action_at, c.kind AS credit_kind, q.name AS credit_partner,
       q.partner_key AS credit_partner_key, c.amount AS credit_amount, c.currency AS credit_currency,
       i.keys AS influenced_by, f.id AS feedback_id, f.touched AS feedback_touched
FROM pg_temp.looked_at k
LEFT JOIN serving s USING (entity, entity_id)
LEFT JOIN core.partner p ON p.id = s.partner_id
LEFT JOIN LATERAL (SELECT m.score, m.response_hours FROM mart.partner_performance m
                   WHERE m.partner_id = s.partner_id AND m.period < CAST(:month AS date)
                   ORDER BY m.period DESC LIMIT 1) m ON true
LEFT JOIN acted a USING (entity, entity_id)
LEFT JOIN said f USING (entity, entity_id)
LEFT JOIN ledger.deal_credit c ON k.entity = 'opportunity' AND c.opportunity_id = k.entity_id AND c.is_primary
LEFT JOIN core.partner q ON q.id = nullif(c.partner_id, '')
LEFT JOIN influence i ON k.entity = 'opportunity' AND i.opportunity_id = k.entity_id
"""
