"""The views about cases: what goes back to remotes, every assignment, and cases that nobody has."""

from __future__ import annotations

from collections.abc import Callable


def case_views(entity_of: Callable[[str], str]) -> list[str]:
    """CREATE VIEW and COMMENT statements. `entity_of`: SQL that says which entity a reference means."""
    views = {
        "core.case_facts": (_facts(entity_of("account=g.account_ref"), entity_of("contact=g.contact_ref")),
                            "What prm-sync knows about a case besides its fields: the latest offer, who asks"),
        "mart.case_assignments": (_ASSIGNMENTS,
                                  "Every case given to a partner, with the times to answer and to solve it in hours"),
        "mart.unassigned_cases": (_UNASSIGNED, "Cases that no partner may take: the queue they wait in, and why"),
    }  # fmt: skip
    return [
        statement
        for name, (query, doc) in views.items()
        for statement in (f"CREATE VIEW {name} AS {query}", f"COMMENT ON VIEW {name} IS '{doc}'")
    ]


def _facts(account: str, contact: str) -> str:
    # What a person does not want to leave is not even known here.
    return f"""
SELECT o.case_id AS id,
       CASE WHEN o.state IN ('pending', 'accepted') AND o.partner_stage IS DISTINCT FROM 'closed'
           THEN o.partner_id END AS partner_id,
       o.case_id || ':' || o.rank AS offer_key, o.state AS offer_state,
       CASE WHEN o.state = 'accepted' THEN coalesce(o.partner_stage, 'accepted') ELSE o.state END AS offer_standing,
       p.name AS offer_partner_name, p.partner_key AS offer_partner_key,
       o.offered_at, o.expires_at AS offer_expires_at, o.resolve_by AS offer_resolve_by,
       o.answered_at AS offer_answered_at, o.decline_reason AS offer_decline_reason,
       o.partner_stage AS offer_partner_stage, o.responded_at AS offer_responded_at,
       o.resolved_at AS offer_resolved_at, o.resolution AS offer_resolution, o.rank AS offer_rank,
       a.name AS account_name, a.city AS account_city, a.country AS account_country,
       CASE WHEN c.do_not_share IS NOT TRUE THEN nullif(concat_ws(' ', c.first_name, c.last_name), '')
           END AS contact_name,
       CASE WHEN c.do_not_share IS NOT TRUE AND c.no_call IS NOT TRUE THEN coalesce(c.mobile, c.phone)
           END AS contact_phone,
       CASE WHEN c.do_not_share IS NOT TRUE AND c.no_email IS NOT TRUE THEN c.email END AS contact_email,
       greatest(o.touched, p.touched, a.touched, c.touched) AS offer_touched
FROM (SELECT DISTINCT ON (case_id) * FROM ledger.case_assignment ORDER BY case_id, rank DESC) o
JOIN core."case" g ON g.id = o.case_id
LEFT JOIN core.partner p ON p.id = o.partner_id
LEFT JOIN core.account a ON g.account_ref IS NOT NULL AND a.id = {account}
LEFT JOIN core.contact c ON g.contact_ref IS NOT NULL AND c.id = {contact}
"""


_ASSIGNMENTS = """
SELECT o.id, o.case_id, g.number, g.priority, g.product, o.partner_id, p.name AS partner, o.rank, o.state,
       o.partner_stage, o.offered_at, o.expires_at, o.answered_at, o.decline_reason, o.responded_at, o.resolve_by,
       o.resolved_at, extract(epoch FROM o.answered_at - o.offered_at) / 3600 AS answer_hours,
       extract(epoch FROM o.responded_at - o.offered_at) / 3600 AS response_hours,
       extract(epoch FROM o.resolved_at - g.opened_at) / 3600 AS resolution_hours,
       o.resolve_by < coalesce(o.resolved_at, o.overdue_at) AS late, d.score, d.rule_version
FROM ledger.case_assignment o
JOIN core."case" g ON g.id = o.case_id
JOIN ledger.case_decision d ON d.id = o.decision_id
LEFT JOIN core.partner p ON p.id = o.partner_id
"""

_UNASSIGNED = """
SELECT g.id AS case_id, g.number, g.priority, d.queue, d.outcome,
       (SELECT r.key FROM jsonb_each_text(d.reasons) r ORDER BY r.value::bigint DESC, r.key LIMIT 1) AS reason,
       d.reasons, d.decided_at AS since, g.product, d.rule_version
FROM core."case" g
JOIN LATERAL (SELECT * FROM ledger.case_decision d WHERE d.case_id = g.id ORDER BY d.rank DESC LIMIT 1) d ON true
WHERE g.merged_into IS NULL AND g.deleted_at IS NULL AND d.partner_id IS NULL AND d.queue IS NOT NULL
  AND g.status NOT IN ('resolved', 'closed')
"""
