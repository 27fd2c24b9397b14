"""The views: history with the present row, analysts' views without personal data, the facts that go back to remotes."""

from __future__ import annotations

import hashlib

from prm_sync.canonical.model import Entity, Kind, Pii
from prm_sync.warehouse import views_deals, views_partners
from prm_sync.warehouse.bulk import quoted
from prm_sync.warehouse.tables import EntityTables, Tables
from prm_sync.warehouse.views_cases import case_views

HAS_IT_FIRST = "deleted_at DESC NULLS FIRST, id"  #: of partners with a key: who has it, then who had it last
PLURAL = {"opportunity": "opportunities", "activity": "activities", "feedback": "feedback", "case": "cases"}


def view_statements(tables: Tables) -> list[str]:
    """CREATE VIEW and COMMENT statements, in an order in which they can be run."""
    out: list[str] = []
    for et in tables.entities.values():
        out += _history(et)
        out += _public(et.entity, tables)
    if {"lead", "partner", "feedback"} <= tables.entities.keys():
        out += [_LEAD_FACTS, *views_partners.STATEMENTS, _OFFERS, _UNROUTED, _FUNNEL]
        if {"contact", "account", "opportunity"} <= tables.entities.keys():
            out += [_LEAD_MATCHES, f"COMMENT ON VIEW core.lead_match IS '{_MATCH_DOC}'"]
        if {"contact", "account", "case"} <= tables.entities.keys():
            out += case_views(entity_of)
        out += [f"COMMENT ON VIEW {name} IS '{doc}'" for name, doc in _DOCS.items()]
    if {"partner", "account", "feedback", "signal"} <= tables.entities.keys():
        out += [_FEEDBACK_FACTS, _SIGNAL_FACTS]
        out += [f"COMMENT ON VIEW core.{name}_facts IS '{doc}'" for name, doc in _FACTS_DOCS.items()]
    if {"recommendation", "account", "contact"} <= tables.entities.keys():
        out += [_RECOMMENDATION_FACTS, f"COMMENT ON VIEW core.recommendation_facts IS '{_RECOMMENDED_DOC}'"]
    if {"deal_registration", "opportunity", "account", "partner"} <= tables.entities.keys():
        out += views_deals.STATEMENTS
    return out


def views_mark(tables: Tables) -> str:
    """What the comment of schema mart says of the views that were made last: another mark, other views."""
    return "views " + hashlib.sha256("\n".join(view_statements(tables)).encode()).hexdigest()[:16]


def live(row: str) -> str:
    """SQL for a golden record that counts: it is there, it is no other one, and it is no test."""
    return f"{row}.merged_into IS NULL AND {row}.deleted_at IS NULL AND {row}.is_test IS NOT TRUE"


def entity_of(reference: str) -> str:
    """SQL that says which entity a reference column means, as subselect over the crosswalk."""
    kind, column = reference.split("=", 1)
    return (
        f"(SELECT x.entity_id FROM core.crosswalk x WHERE x.entity = '{kind}' "
        f"AND x.connection = split_part({column}, ':', 1) "
        f"AND x.remote_id = substr({column}, strpos({column}, ':') + 1) LIMIT 1)"
    )


def partner_of(row: str) -> str:
    """SQL that says which partner a row means, by its reference or else by its key; `partner_by_key` is joined."""
    return f"coalesce({entity_of(f'partner={row}.partner_ref')}, p.id)"


def partner_by_key(row: str) -> str:
    """SQL that joins as `p` the partner who has the row's key, or had it last: all keys are looked through once."""
    return (
        "LEFT JOIN (SELECT DISTINCT ON (partner_key) partner_key, id FROM core.partner WHERE merged_into IS NULL "
        f"ORDER BY partner_key, {HAS_IT_FIRST}) p ON p.partner_key = {row}.partner_key"
    )


def partner_with_key(key: str) -> str:
    """SQL for the same partner of one key, as subselect: for a view that is asked for one row."""
    return (
        f"(SELECT k.id FROM core.partner k WHERE k.partner_key = {key} AND k.merged_into IS NULL "
        f"ORDER BY {HAS_IT_FIRST} LIMIT 1)"
    )


def _history(et: EntityTables) -> list[str]:
    name = et.entity.name
    fields = quoted(f.name for f in et.entity.fields)
    view = f"core.{name}_history"
    return [
        (
            f"CREATE VIEW {view} AS "
            f"SELECT id, {fields}, provenance, valid_from, valid_to FROM core.{name}_past "
            f"UNION ALL SELECT id, {fields}, provenance, valid_from, NULL::timestamptz FROM core.\"{name}\""
        ),
        f"COMMENT ON VIEW {view} IS 'Every version of every {name}; valid_to is null for the present one'",
    ]


def _public(entity: Entity, tables: Tables) -> list[str]:
    columns = ["g.id"]
    notes: list[tuple[str, str]] = [("id", "Stable id of the entity")]
    for f in entity.fields:
        if f.pii in (Pii.PERSONAL, Pii.SENSITIVE):
            continue
        if f.kind is Kind.REFERENCE and f.entity in tables.entities:
            column = f.name.removesuffix("_ref") + "_id"
            reference = f'{f.entity}=g."{f.name}"'
            columns.append(f'{entity_of(reference)} AS "{column}"')
            notes.append((column, f"{f.doc} (id of the {f.entity})"))
        elif f.kind is not Kind.REFERENCE:
            columns.append(f'g."{f.name}"')
            notes.append((f.name, f.doc))
    columns += ["g.sources", "g.valid_from", "g.deleted_at"]
    view = f"mart.{PLURAL.get(entity.name, entity.name + 's')}"
    text = (
        f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM core.\"{entity.name}\" g WHERE g.merged_into IS NULL",
        f"COMMENT ON VIEW {view} IS '{_sql(entity.doc)} Golden records without personal data'",
    )
    return [*text, *(f"COMMENT ON COLUMN {view}.\"{c}\" IS '{_sql(d)}'" for c, d in notes)]


def _sql(text: str) -> str:
    return text.replace("'", "''")


_LIVE = "{0}.merged_into IS NULL AND {0}.deleted_at IS NULL"
_MATCH_DOC = (
    "What a lead is already in the CRM, besides another lead (that one shares its entity): contacts, accounts, and "
    "their open opportunities, each with the reason"
)
_LEAD_MATCHES = f"""
CREATE VIEW core.lead_match AS
WITH found AS (
  SELECT l.id AS lead_id, 'contact' AS entity, c.id AS entity_id, 'same e-mail address' AS why, 0.98 AS score,
         c.account_ref
  FROM core.lead l JOIN core.contact c ON c.email = l.email WHERE {_LIVE.format('l')} AND {_LIVE.format('c')}
  UNION ALL
  SELECT l.id, 'contact', c.id, 'same mobile and family name', 0.95, c.account_ref
  FROM core.lead l JOIN core.contact c ON c.mobile = l.mobile AND lower(c.last_name) = lower(l.last_name)
  WHERE {_LIVE.format('l')} AND {_LIVE.format('c')}
), named AS (
  SELECT f.lead_id, x.entity_id, 'account of the contact' AS why, 0.9 AS score
  FROM found f JOIN core.crosswalk x ON x.entity = 'account' AND x.connection = split_part(f.account_ref, ':', 1)
   AND x.remote_id = substr(f.account_ref, strpos(f.account_ref, ':') + 1)
  UNION ALL
  SELECT l.id, x.entity_id, 'named by the lead', 1.0
  FROM core.lead l JOIN core.crosswalk x ON x.entity = 'account' AND x.connection = split_part(l.account_ref, ':', 1)
   AND x.remote_id = substr(l.account_ref, strpos(l.account_ref, ':') + 1)
  WHERE {_LIVE.format('l')}
  UNION ALL
  SELECT l.id, a.id, 'same domain', 0.85
  FROM core.lead l JOIN core.account a ON a.domain = l.domain WHERE {_LIVE.format('l')} AND {_LIVE.format('a')}
  UNION ALL
  SELECT l.id, a.id, 'same company name and country', 0.75
  FROM core.lead l JOIN core.account a ON lower(a.name) = lower(l.company) AND a.country = l.country
  WHERE {_LIVE.format('l')} AND {_LIVE.format('a')}
), accounts AS (
  SELECT n.lead_id, a.id AS entity_id, n.why, n.score
  FROM named n JOIN core.account a ON a.id = n.entity_id WHERE {_LIVE.format('a')}
), every AS (
  SELECT lead_id, entity, entity_id, why, score FROM found
  UNION ALL SELECT lead_id, 'account', entity_id, why, score FROM accounts
  UNION ALL
  SELECT n.lead_id, 'opportunity', o.id, 'open opportunity, ' || n.why, n.score * 0.8
  FROM accounts n
  JOIN core.crosswalk x ON x.entity = 'account' AND x.entity_id = n.entity_id
  JOIN core.opportunity o ON o.account_ref = x.connection || ':' || x.remote_id
  WHERE {_LIVE.format('o')} AND o.stage NOT IN ('won', 'lost')
)
SELECT DISTINCT ON (lead_id, entity, entity_id) lead_id, entity, entity_id, why, score::double precision AS score
FROM every ORDER BY lead_id, entity, entity_id, score DESC, why
"""

_LEAD_FACTS = """
CREATE VIEW core.lead_facts AS
SELECT o.lead_id AS id, o.lead_id || ':' || o.rank AS offer_key, o.state AS offer_state,
       p.name AS offer_partner_name, p.partner_key AS offer_partner_key,
       o.offered_at, o.expires_at AS offer_expires_at, o.answered_at AS offer_answered_at,
       o.decline_reason AS offer_decline_reason, o.partner_stage AS offer_partner_stage, o.rank AS offer_rank,
       o.partner_id AS offer_partner_id, greatest(o.touched, p.touched) AS offer_touched
FROM ledger.lead_offer o
JOIN (SELECT lead_id, max(rank) AS rank FROM ledger.lead_offer GROUP BY lead_id) last
  ON last.lead_id = o.lead_id AND last.rank = o.rank
LEFT JOIN core.partner p ON p.id = o.partner_id
"""

_FEEDBACK_FACTS = f"""
CREATE VIEW core.feedback_facts AS
SELECT g.id, coalesce(
         {entity_of('partner=g.partner_ref')},
         {partner_with_key('g.partner_key')},
         (SELECT {entity_of('partner=a.partner_ref')}
          FROM core.account a WHERE a.id = {entity_of('account=g.account_ref')})
       ) AS partner_id
FROM core.feedback g
"""

_SIGNAL_FACTS = "CREATE VIEW core.signal_facts AS SELECT signal_id AS id, partner_id FROM ledger.signal_audience"

_RECOMMENDED_DOC = "The partner who is told of a customer, as long as the customer is there and its consent stands"
_RECOMMENDATION_FACTS = f"""
CREATE VIEW core.recommendation_facts AS
SELECT r.recommendation_id AS id, r.partner_id
FROM ledger.recommendation_audience r
JOIN core.account a ON a.id = r.account_id AND {_LIVE.format('a')}
JOIN core.contact k ON k.id = r.contact_id
JOIN core.contact c ON c.id = coalesce(k.merged_into, k.id) AND {_LIVE.format('c')}
WHERE c.consent_evidence <> '' AND c.do_not_share IS NOT TRUE
"""

_FACTS_DOCS = {
    "feedback": "The partner who is told what a customer says: whom it names, else who serves the account",
    "signal": "The partners who are told of a change of demand, one row each",
}

_OFFERS = """
CREATE VIEW mart.offers AS
SELECT o.id, o.lead_id, o.partner_id, p.name AS partner, o.rank, o.state, o.offered_at, o.expires_at, o.answered_at,
       extract(epoch FROM o.answered_at - o.offered_at) / 3600 AS response_hours, o.decline_reason, o.partner_stage,
       o.won_amount, o.won_currency, d.score, d.rule_version
FROM ledger.lead_offer o
JOIN ledger.routing_decision d ON d.id = o.decision_id
LEFT JOIN core.partner p ON p.id = o.partner_id
"""

_UNROUTED = """
CREATE VIEW mart.unrouted_leads AS
SELECT l.id AS lead_id, d.queue, d.outcome,
       (SELECT r.key FROM jsonb_each_text(d.reasons) r ORDER BY r.value::bigint DESC, r.key LIMIT 1) AS reason,
       d.reasons, d.decided_at AS since, l.country, l.product, l.industry, l.segment, d.rule_version
FROM core.lead l
JOIN LATERAL (SELECT * FROM ledger.routing_decision d WHERE d.lead_id = l.id ORDER BY d.rank DESC LIMIT 1) d ON true
WHERE l.merged_into IS NULL AND l.deleted_at IS NULL AND d.partner_id IS NULL AND d.queue IS NOT NULL
  AND l.status NOT IN ('converted', 'disqualified')
"""

_FUNNEL = """
CREATE VIEW mart.lead_funnel AS
SELECT date_trunc('month', coalesce(l.created_at, l.valid_from))::date AS month, l.country, l.source,
       count(*) AS leads, count(f.id) AS offered,
       count(*) FILTER (WHERE f.offer_state = 'accepted') AS accepted,
       count(*) FILTER (WHERE f.offer_partner_stage = 'won') AS won
FROM core.lead l LEFT JOIN core.lead_facts f ON f.id = l.id
WHERE l.merged_into IS NULL AND l.deleted_at IS NULL AND l.is_test IS NOT TRUE
GROUP BY 1, 2, 3
"""

_DOCS = {
    "core.lead_facts": "What prm-sync knows about a lead besides its fields: the latest offer",
    "mart.offers": "Every offer of a lead to a partner, with the time of the answer in hours",
    "mart.unrouted_leads": "Leads that no partner may take: the queue they wait in, and partners by reason",
    "mart.lead_funnel": "Leads per month, country and source: offered, accepted, won",
}
