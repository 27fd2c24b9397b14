"""What prm-sync itself knows about an entity, and writes back: the names that `back:` may use besides the fields."""

from __future__ import annotations

from prm_sync.canonical.entities import CREDITS, OPPORTUNITY_STAGES, REGISTRATION_STATUSES
from prm_sync.canonical.model import Entity, Field, Kind, Pii


def _offer(entity: str, requirement: str, stages: tuple[str, ...]) -> tuple[Field, ...]:
    """What is known of an entity by its offers: the latest one."""
    return (
        Field("id", Kind.TEXT, f"The {entity}'s id here"),
        Field("offer_key", Kind.TEXT, f"Key of the latest offer, '<{entity} id>:<rank>': what a PRM keeps as external "
              "key, and gives back with the answer", requirement),
        Field("offer_state", Kind.CHOICE, "State of the latest offer", requirement,
              choices=("pending", "accepted", "declined", "expired", "withdrawn")),
        Field("offer_partner_name", Kind.TEXT, "Partner of the latest offer", "R076"),
        Field("offer_partner_key", Kind.TEXT, "That partner's key in the PRM", "R076"),
        Field("offered_at", Kind.INSTANT, "When the latest offer was made", requirement),
        Field("offer_expires_at", Kind.INSTANT, "When it runs out: the partner is to answer by then", requirement),
        Field("offer_answered_at", Kind.INSTANT, "When the partner answered", requirement),
        Field("offer_decline_reason", Kind.TEXT, "Why the partner declined", "R054"),
        Field("offer_partner_stage", Kind.CHOICE, "How far the partner is", "R047", choices=stages),
        Field("offer_rank", Kind.INTEGER, f"1 for the first offer of the {entity}, 2 for the next ...", requirement),
    )  # fmt: skip


LEAD_FACTS = _offer("lead", "R045", ("open", "working", "won", "lost"))

_SAID_FACTS = (
    Field("feedback_score", Kind.NUMBER, "Latest feedback by or about it: score in percent of the best", "R075"),
    Field("feedback_theme", Kind.TEXT, "What that feedback is about", "R075"),
    Field("feedback_text", Kind.TEXT, "That feedback in words", "R075", Pii.PERSONAL),
    Field("feedback_at", Kind.INSTANT, "When it was given", "R075"),
)  # fmt: skip

PARTNER_FACTS = (
    Field("id", Kind.TEXT, "The partner's id here"),
    Field("perf_period", Kind.TEXT, "Month of the figures, YYYY-MM", "R113"),
    Field("perf_leads_offered", Kind.INTEGER, "Offers made in the month", "R113"),
    Field("perf_leads_accepted", Kind.INTEGER, "Of these accepted", "R113"),
    Field("perf_leads_declined", Kind.INTEGER, "Of these declined", "R113"),
    Field("perf_leads_expired", Kind.INTEGER, "Of these run out", "R113"),
    Field("perf_acceptance_rate", Kind.NUMBER, "accepted / (accepted + declined + expired), 0 to 1", "R113"),
    Field("perf_response_hours", Kind.NUMBER, "Median hours from offer to answer", "R083"),
    Field("perf_win_rate", Kind.NUMBER, "won / (won + lost) of the month's closed deals, 0 to 1", "R113"),
    Field("perf_sourced_revenue", Kind.MONEY,
          "Won with primary credit `sourced`, by close date, in minor units of `perf_currency`", "R034"),
    Field("perf_currency", Kind.CURRENCY, "Currency of the revenue", "R034"),
    Field("perf_attainment", Kind.NUMBER, "actual / target of the revenue target of the period, 1 = reached", "R035"),
    Field("perf_cases", Kind.INTEGER, "Service cases given to the partner in the month", "R083"),
    Field("perf_case_response_hours", Kind.NUMBER, "Median hours from the offer of a case to the first answer to the "
          "customer", "R083"),
    Field("perf_case_resolution_hours", Kind.NUMBER, "Median hours from the opening of a case to its solution", "R083"),
    Field("perf_score", Kind.NUMBER, "Partner score of the quarter up to that month, 0 to 100", "R031"),
    Field("agreement_state", Kind.CHOICE, "State of the agreement on the day, over all contracts", "R008",
          choices=("in_force", "expiring", "expired", "unsigned", "none")),
    Field("agreement_until", Kind.DATE, "Last day of the agreement that holds longest; empty: no end", "R008"),
    Field("certificates", Kind.TEXTS, "Certificates valid on the day", "R029"),
    Field("certificates_until", Kind.DATE, "Day on which the first of them runs out; empty: none does", "R029"),
    *_SAID_FACTS,
)  # fmt: skip

CASE_FACTS = (
    *_offer("case", "R070", ("open", "in_progress", "resolved", "closed", "reopened")),
    Field("partner_id", Kind.TEXT, "The partner who has the case now: the latest offer waits or was accepted", "R070"),
    Field("offer_standing", Kind.CHOICE, "State of the latest offer, and how far the partner is where it was accepted",
          "R070",
          choices=("pending", "accepted", "in_progress", "resolved", "closed", "reopened", "declined", "expired",
                   "withdrawn")),
    Field("offer_resolve_by", Kind.INSTANT, "When the case is to be solved, by its priority", "R083"),
    Field("offer_responded_at", Kind.INSTANT, "First answer of the partner to the customer", "R083"),
    Field("offer_resolved_at", Kind.INSTANT, "When the partner solved it", "R083"),
    Field("offer_resolution", Kind.TEXT, "What the partner did, in its words", "R086", Pii.PERSONAL),
    Field("account_name", Kind.TEXT, "Name of the account", "R070", Pii.COMPANY),
    Field("account_city", Kind.TEXT, "City of the account", "R070", Pii.COMPANY),
    Field("account_country", Kind.COUNTRY, "Country of the account, ISO 3166-1 alpha-2", "R070", Pii.COMPANY),
    Field("contact_name", Kind.TEXT, "Name of the person who asks; empty where the person's data may not leave",
          "R070", Pii.PERSONAL),
    Field("contact_phone", Kind.PHONE, "Their number, E.164; empty where they want no calls", "R070", Pii.PERSONAL),
    Field("contact_email", Kind.EMAIL, "Their address; empty where they want no e-mail", "R070", Pii.PERSONAL),
)  # fmt: skip

_SERVICE_FACTS = (
    Field("id", Kind.TEXT, "The record's id here"),
    Field("served_by_name", Kind.TEXT, "The partner who serves the customer", "R076"),
    Field("served_by_key", Kind.TEXT, "That partner's key in the PRM", "R076"),
    Field("served_since", Kind.INSTANT, "Since when", "R076"),
    Field("served_because", Kind.TEXT, "How we know: named, offer, registration, credit", "R076"),
    Field("partner_score", Kind.NUMBER, "That partner's score, 0 to 100, of the last whole month", "R076"),
    Field("partner_response_hours", Kind.NUMBER, "That partner's median hours to answer, of the same month", "R076"),
    Field("partner_action", Kind.TEXT, "What the partner did last about it", "R076"),
    Field("partner_action_at", Kind.INSTANT, "When", "R076"),
    *_SAID_FACTS,
)  # fmt: skip

FEEDBACK_FACTS = (
    Field("partner_id", Kind.TEXT, "The partner it is by or about, else the one through whom its account is served",
          "R077"),
)  # fmt: skip

SIGNAL_FACTS = (Field("partner_id", Kind.TEXT, "A partner whose territory holds the region", "R074"),)

RECOMMENDATION_FACTS = (
    Field("partner_id", Kind.TEXT, "The partner who serves the customer, as long as the customer's consent stands",
          "R072"),
)  # fmt: skip

DEAL_FACTS = (
    Field("id", Kind.TEXT, "The opportunity's id here"),
    Field("deal_registration_id", Kind.TEXT, "The approved registration behind it", "R048"),
    Field("deal_partner_ref", Kind.REFERENCE, "Who registered it, as the CRM knows the partner", "R050",
          entity="partner"),
    Field("deal_partner_key", Kind.TEXT, "Who registered it, by the partner's key in the PRM", "R050"),
    Field("deal_credit", Kind.CHOICE, "What that partner is credited with", "R050", choices=CREDITS),
    Field("deal_account_ref", Kind.REFERENCE, "Who buys, where the CRM knows the customer", "R048", entity="account"),
    Field("deal_protected_until", Kind.INSTANT, "End of the protection of the registration", "R048"),
    # What a deal is made with. Once it is there, these are the CRM's own.
    Field("deal_name", Kind.TEXT, "Name of a deal to be made", "R048", Pii.COMPANY),
    Field("deal_stage", Kind.CHOICE, "Stage of a deal to be made", "R048", choices=OPPORTUNITY_STAGES),
    Field("deal_amount", Kind.MONEY, "Amount of a deal to be made", "R048", given="deal_currency"),
    Field("deal_currency", Kind.CURRENCY, "Currency of that amount", "R048"),
    Field("deal_close_date", Kind.DATE, "Expected day of closing of a deal to be made", "R048"),
)  # fmt: skip

ACCOUNT_FACTS = _SERVICE_FACTS
OPPORTUNITY_FACTS = (
    *DEAL_FACTS, *_SERVICE_FACTS[1:],
    Field("credit_kind", Kind.CHOICE, "Primary credit of a won deal: a partner's, or our own people's", "R050",
          choices=("sourced", "direct")),
    Field("credit_partner_name", Kind.TEXT, "The partner who has it; empty: the seller's own people", "R050"),
    Field("credit_partner_key", Kind.TEXT, "That partner's key in the PRM", "R050"),
    Field("credit_amount", Kind.MONEY, "Amount that is credited, in minor units of `credit_currency`", "R050"),
    Field("credit_currency", Kind.CURRENCY, "Currency of that amount", "R050"),
    Field("influenced_by", Kind.TEXTS, "Keys of the partners who influenced the deal", "R050"),
)  # fmt: skip

DEAL_REGISTRATION_FACTS = (
    Field("id", Kind.TEXT, "The registration's id here"),
    Field("registration_outcome", Kind.CHOICE, "What was decided", "R048", choices=("approve", "reject", "review")),
    Field("registration_decided_at", Kind.INSTANT, "When", "R048"),
    Field("registration_status", Kind.CHOICE, "Where the registration stands", "R048", choices=REGISTRATION_STATUSES),
    Field("registration_move", Kind.CHOICE, "The state that its record in the PRM is to be brought to", "R048",
          choices=("approved", "won", "lost")),
    Field("registration_protected_until", Kind.INSTANT, "End of the protection", "R048"),
)  # fmt: skip

FACTS: dict[str, tuple[Field, ...]] = {
    "lead": LEAD_FACTS, "partner": PARTNER_FACTS, "account": ACCOUNT_FACTS, "case": CASE_FACTS,
    "feedback": FEEDBACK_FACTS,
    "signal": SIGNAL_FACTS, "recommendation": RECOMMENDATION_FACTS,
    "opportunity": OPPORTUNITY_FACTS, "deal_registration": DEAL_REGISTRATION_FACTS,
}
"""By entity what its view core.<entity>_facts has. A fact `partner_id` says whose the record is, not `partner_ref`."""

SHARED_FACTS = (
    Field("shared_key", Kind.TEXT, "Key of the copy that a partner sees, '<id>:<partner id>': a mapping to a PRM that "
          "writes it gets one record for each partner", "R024"),
    Field("shared_partner_key", Kind.TEXT, "That partner's key in the PRM", "R024"),
    Field("shared_partner_name", Kind.TEXT, "That partner's name", "R024"),
)  # fmt: skip
"""What is known of the copy of a record that a partner sees: no part of the record, so no policy names it."""

UNSAID = frozenset({f.name for f in DEAL_FACTS[1:] if f.name != "deal_protected_until"} | {"registration_move"})
"""Facts that say nothing where they are empty: their remote fields are left as they are. Others empty theirs."""


def facts_of(entity: Entity) -> tuple[Field, ...]:
    """What `back:` of the entity's mappings may write besides its fields."""
    return (*FACTS.get(entity.name, ()), *(SHARED_FACTS if "shared_key" in entity.by_name else ()))
