"""The views of deal registrations: what goes to the CRM's deals and back to the PRM, and what analysts read."""

from __future__ import annotations

from prm_sync.warehouse.views_partners import SERVED, SERVED_DEALS

#: End of the protection of a registration `r` with its decision `v`: a person's word here, then the PRM's, then ours.
PROTECTED = (
    "CASE WHEN v.decided_by IS NOT NULL THEN coalesce(v.protected_until, r.protected_until) "
    "ELSE coalesce(r.protected_until, v.protected_until) END"
)


def _in_crm(entity: str, of: str) -> str:
    """SQL for the reference by which the CRM that the deal is in knows an entity; null where it does not."""
    return (
        f"(SELECT x.connection || ':' || x.remote_id FROM core.crosswalk x JOIN core.{entity}_source s "
        "USING (connection, stream, remote_id) WHERE x.entity_id = " f"{of} AND x.entity = '{entity}' "
        "AND x.connection = d.connection AND s.deleted_at IS NULL ORDER BY s.arrived LIMIT 1)"
    )


_PARTNER = _in_crm("partner", "d.partner_id")
_DEALS = f"""
SELECT DISTINCT ON (f.id) f.id, f.registration_id AS deal_registration_id,
       CASE WHEN f.named IS NULL THEN f.partner END AS deal_partner_ref,
       CASE WHEN f.named IS NULL OR f.named = f.partner THEN f.partner_key END AS deal_partner_key,
       CASE WHEN f.credited IS NULL AND (f.named IS NULL OR f.named = f.partner) THEN f.credit END AS deal_credit,
       CASE WHEN f.account_ref IS NULL THEN f.account END AS deal_account_ref,
       f.protected_until AS deal_protected_until,
       CASE WHEN f.unmade THEN left(concat_ws(' - ', coalesce(f.account_name, 'Registration ' || f.number), f.product),
            120) END AS deal_name,
       CASE WHEN f.unmade THEN f.stage END AS deal_stage,
       CASE WHEN f.unmade AND f.currency IS NOT NULL THEN f.amount END AS deal_amount,
       CASE WHEN f.unmade AND f.amount IS NOT NULL THEN f.currency END AS deal_currency,
       CASE WHEN f.unmade THEN coalesce(f.close_date, (f.decided_at + interval '90 days')::date) END AS deal_close_date,
       f.connection AS deal_connection, f.unmade AS deal_unmade, f.status IN ('approved', 'converted') AS deal_wanted,
       greatest(f.touched, f.partner_touched, f.account_touched) AS deal_touched
FROM (
    SELECT d.opportunity_id AS id, d.*, o.id IS NULL AS unmade, o.partner_ref AS named, o.credit AS credited,
           o.account_ref, {_PARTNER} AS partner, p.partner_key, {_in_crm("account", "d.account_id")} AS account,
           r.account_name, r.number, r.product, r.amount, r.currency, r.close_date, v.decided_at,
           p.touched AS partner_touched, a.touched AS account_touched
    FROM ledger.registered_deal d
    JOIN core.deal_registration r ON r.id = d.registration_id
    JOIN ledger.registration_decision v ON v.registration_id = d.registration_id
    LEFT JOIN core.opportunity o ON o.id = d.opportunity_id
    LEFT JOIN core.partner p ON p.id = d.partner_id LEFT JOIN core.account a ON a.id = d.account_id
    WHERE d.how IN ('made', 'linked')) f
ORDER BY f.id, f.status IN ('rejected', 'cancelled'), f.registration_id
"""
_TOLD = (
    "deal_registration_id", "deal_partner_ref", "deal_partner_key", "deal_credit", "deal_account_ref",
    "deal_protected_until", "deal_name", "deal_stage", "deal_amount", "deal_currency", "deal_close_date",
    "deal_connection", "deal_unmade", "deal_wanted", "deal_touched",
)  # fmt: skip
_OPPORTUNITY_FACTS = f"""
CREATE VIEW core.opportunity_facts AS
SELECT coalesce(d.id, s.id) AS id, {", ".join(f"d.{c}" for c in _TOLD)}, {", ".join(f"s.{c}" for c in SERVED)},
       greatest(d.deal_touched, s.service_touched) AS facts_touched
FROM ({_DEALS}) d FULL JOIN ({SERVED_DEALS}) s ON s.id = d.id
"""

_REGISTRATION_FACTS = f"""
CREATE VIEW core.deal_registration_facts AS
SELECT d.registration_id AS id, v.outcome AS registration_outcome, v.decided_at AS registration_decided_at,
       d.status AS registration_status,
       CASE WHEN d.status IN ('approved', 'converted') AND r.status IN ('submitted', 'under_review', 'pending_approval')
            THEN 'approved'
            WHEN d.status IN ('won', 'lost') AND r.status NOT IN ('won', 'lost') THEN d.status
       END AS registration_move,
       CASE WHEN v.outcome = 'approve' THEN {PROTECTED} END AS registration_protected_until,
       p.partner_key AS registration_partner_key, greatest(d.touched, v.touched) AS registration_touched
FROM ledger.registered_deal d
JOIN ledger.registration_decision v ON v.registration_id = d.registration_id
JOIN core.deal_registration r ON r.id = d.registration_id
LEFT JOIN core.partner p ON p.id = d.partner_id
"""

_REGISTRATIONS = f"""
CREATE VIEW mart.registrations AS
SELECT d.registration_id, r.number, d.partner_id, p.name AS partner, d.status, v.outcome, v.because, v.decided_at,
       v.decided_by, CASE WHEN v.outcome = 'approve' THEN {PROTECTED} END AS protected_until, d.how, d.opportunity_id,
       d.account_id, d.credit, r.product, r.country, r.amount, r.currency, r.submitted_at, v.rule_version
FROM ledger.registered_deal d
JOIN ledger.registration_decision v ON v.registration_id = d.registration_id
JOIN core.deal_registration r ON r.id = d.registration_id
LEFT JOIN core.partner p ON p.id = d.partner_id
"""

_DOCS = {
    "core.opportunity_facts": "What prm-sync knows about a deal besides its fields: the registration behind it, whose "
        "partner it is, and with what a deal is made that the CRM does not have yet; who serves it, who has the credit",
    "core.deal_registration_facts": "What was decided about a registration and where it stands: what goes to the PRM",
    "mart.registrations": "Deal registrations: what was decided, where they stand, the deal in the CRM",
}  # fmt: skip

STATEMENTS = (
    _OPPORTUNITY_FACTS, _REGISTRATION_FACTS, _REGISTRATIONS,
    *(f"COMMENT ON VIEW {name} IS '{doc}'" for name, doc in _DOCS.items()),
)
