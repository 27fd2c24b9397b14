"""The views of partners beside leads: their figures and standing, and whom they serve, as the CRM is told."""

from __future__ import annotations

_SAID = """CASE WHEN f.scale > 0 THEN 100 * f.score / f.scale END AS feedback_score, f.theme AS feedback_theme,
       f.text AS feedback_text, f.at AS feedback_at"""

_PARTNER_FACTS = f"""
CREATE VIEW core.partner_facts AS
SELECT p.id, to_char(m.period, 'YYYY-MM') AS perf_period, m.offered AS perf_leads_offered,
       m.accepted AS perf_leads_accepted, m.declined AS perf_leads_declined, m.expired AS perf_leads_expired,
       m.acceptance_rate AS perf_acceptance_rate, m.response_hours AS perf_response_hours, m.win_rate AS perf_win_rate,
       m.sourced_revenue AS perf_sourced_revenue, m.currency AS perf_currency, m.attainment AS perf_attainment,
       m.cases AS perf_cases, m.case_response_hours AS perf_case_response_hours,
       m.case_resolution_hours AS perf_case_resolution_hours, m.score AS perf_score,
       s.agreement_state, s.agreement_until, s.certificates, s.certificates_until, {_SAID},
       greatest(m.touched, s.touched) AS facts_touched
FROM core.partner p
LEFT JOIN (SELECT DISTINCT ON (partner_id) * FROM mart.partner_performance
           WHERE period <= date_trunc('month', as_of)::date ORDER BY partner_id, period DESC) m ON m.partner_id = p.id
LEFT JOIN mart.partner_standing s ON s.partner_id = p.id
LEFT JOIN core.feedback f ON f.id = s.feedback_id
WHERE m.partner_id IS NOT NULL OR s.partner_id IS NOT NULL
"""

_SERVICE = f"""
SELECT s.entity_id AS id, s.partner AS served_by_name, s.partner_key AS served_by_key, s.since AS served_since,
       s.because AS served_because, s.score AS partner_score, s.response_hours AS partner_response_hours,
       s.action AS partner_action, s.action_at AS partner_action_at, {_SAID}"""
_OF = "FROM mart.partner_service s LEFT JOIN core.feedback f ON f.id = s.feedback_id WHERE s.entity"
_ACCOUNT_FACTS = f"CREATE VIEW core.account_facts AS{_SERVICE}, s.touched AS facts_touched {_OF} = 'account'"

SERVED = (
    "served_by_name", "served_by_key", "served_since", "served_because", "partner_score", "partner_response_hours",
    "partner_action", "partner_action_at", "feedback_score", "feedback_theme", "feedback_text", "feedback_at",
    "credit_kind", "credit_partner_name", "credit_partner_key", "credit_amount", "credit_currency", "influenced_by",
)  # fmt: skip
"""What is known of who serves a deal, and who has its credit."""
SERVED_DEALS = f"""{_SERVICE}, s.credit_kind, s.credit_partner AS credit_partner_name, s.credit_partner_key,
       s.credit_amount, s.credit_currency, s.influenced_by, s.touched AS service_touched {_OF} = 'opportunity'"""

_DOCS = {
    "core.partner_facts":
        "What prm-sync knows about a partner besides its fields: its latest month, none in the future; its standing",
    "core.account_facts": "What prm-sync knows about an account besides its fields: which partner serves it",
}  # fmt: skip

STATEMENTS = (
    _PARTNER_FACTS, _ACCOUNT_FACTS, *(f"COMMENT ON VIEW {name} IS '{doc}'" for name, doc in _DOCS.items()),
)  # fmt: skip
