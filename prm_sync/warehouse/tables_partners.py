"""Tables of partners beside leads: their standing, whom they serve, earnings and claims, what runs out, targets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_INSTANT = sa.DateTime(timezone=True)


def _column(
    name: str, comment: str, type_: sa.types.TypeEngine[Any] | None = None, *, null: bool = True, key: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), nullable=null and not key, primary_key=key, comment=comment)


def _stamps() -> tuple[sa.Column[Any], ...]:
    return (
        _column("as_of", "When it was computed", _INSTANT, null=False),
        _column("touched", "Change number of the last change of this row", sa.BigInteger(), null=False),
    )


def add(metadata: sa.MetaData) -> None:
    """Put them beside the others."""
    _standing(metadata)
    _service(metadata)
    _incentives(metadata)
    _forecast(metadata)
    _pacing(metadata)
    sa.Table(
        "credit_change", metadata,
        _column("opportunity_id", "Deal", key=True), _column("partner_id", "Partner; empty: own people", key=True),
        _column("touched", "Change number of the last change of that credit, also of its end", sa.BigInteger(),
                null=False),
        sa.Index("credit_change_touched", "touched"),
        schema="ledger", comment="When which credit in ledger.deal_credit changed last, or went away",
    )  # fmt: skip


def _standing(metadata: sa.MetaData) -> None:
    sa.Table(
        "partner_standing", metadata,
        _column("partner_id", "Partner", key=True),
        _column("agreement_state", "in_force, expiring, expired, unsigned or none: over all contracts, on the day",
                null=False),
        _column("agreement_until", "Last day of the agreement that holds longest; null: no end", sa.Date()),
        _column("certificates", "Certificates valid on the day", pg.ARRAY(sa.Text()), null=False),
        _column("certificates_until", "Day on which the first of these runs out; null: none does", sa.Date()),
        _column("feedback_id", "Latest feedback by or about the partner that names no account"),
        _column("feedback_touched", "Its change number", sa.BigInteger()),
        *_stamps(), sa.Index("partner_standing_touched", "touched"),
        schema="mart", comment="Agreement and certificates of each partner as they are on the day",
    )  # fmt: skip


def _service(metadata: sa.MetaData) -> None:
    sa.Table(
        "partner_service", metadata,
        _column("entity", "account or opportunity", key=True), _column("entity_id", "Which one", key=True),
        _column("partner_id", "The partner who serves it; null: none any more"),
        _column("partner", "Its name"), _column("partner_key", "Its key in the PRM"),
        _column("since", "Since when", _INSTANT),
        _column("because", "How we know: named (by the CRM or the PRM), offer, registration, credit"),
        _column("score", "Score of the partner in the last whole month, 0 to 100", sa.Double()),
        _column("response_hours", "Its median hours to answer in that month", sa.Double()),
        _column("action", "What the partner did last about it"), _column("action_at", "When", _INSTANT),
        _column("credit_kind", "Primary credit of a won deal: sourced or direct"),
        _column("credit_partner", "Name of the partner who has it; null: own people"),
        _column("credit_partner_key", "That partner's key in the PRM"),
        _column("credit_amount", "Amount, minor units", sa.BigInteger()), _column("credit_currency", "Its currency"),
        _column("influenced_by", "Keys of partners who influenced the deal", pg.ARRAY(sa.Text())),
        _column("feedback_id", "Latest feedback by or about the account"),
        _column("feedback_touched", "Its change number", sa.BigInteger()),
        *_stamps(), sa.Index("partner_service_touched", "touched"),
        sa.Index("partner_service_by_partner", "partner_id"),
        schema="mart", comment="Which partner serves which account and deal, and what that partner did last about it",
    )  # fmt: skip


def _incentives(metadata: sa.MetaData) -> None:
    amount = sa.BigInteger()
    sa.Table(
        "incentive_check", metadata,
        _column("partner_id", "Partner", key=True),
        _column("programme", "Programme of policies/incentives.yaml; empty: the claim names none that is there",
                key=True),
        _column("basis", "'order:<id>' or 'opportunity:<id>' that it is earned by; 'claim:<id>' of a claim without",
                key=True),
        _column("currency", "Currency of the amounts", null=False),
        _column("earned", "What the programme's rule gives, minor units", amount, null=False),
        _column("claimed", "What the claims come to that were not declined, reversed or expired, minor units", amount,
                null=False),
        _column("paid", "Of these paid, minor units", amount, null=False),
        _column("state", "as_earned, too_much, too_little, not_earned, not_claimed, other_currency", null=False),
        _column("claims", "Ids of the claims", pg.ARRAY(sa.Text()), null=False),
        _column("rule_version", "Hash of policies/incentives.yaml", null=False),
        *_stamps(),
        schema="mart", comment="What partners earned by incentive programmes beside what they claim",
    )  # fmt: skip


def _forecast(metadata: sa.MetaData) -> None:
    count = sa.BigInteger()
    sa.Table(
        "expiry_forecast", metadata,
        _column("kind", "certificate, agreement or protection (of a registered deal)", key=True),
        _column("subject_id", "The certificate, agreement or registration", key=True),
        _column("partner_id", "Whose it is", null=False), _column("name", "What it is called", null=False),
        _column("last_day", "Last day it holds", sa.Date(), null=False),
        _column("leads", "Open leads that the partner could have had, and then cannot", count, null=False),
        _column("stranded", "Of these, leads that then nobody may have", count, null=False),
        _column("stranded_in", "The same by country", pg.JSONB(), null=False),
        _column("offers", "Leads that it is offered or has accepted, and then could not have", count, null=False),
        _column("registrations", "Approved registrations of the partner that are protected longer", count, null=False),
        _column("freed", "Open leads that were its alone, and that others may then have", count, null=False),
        _column("lead_ids", "Some of these leads", pg.ARRAY(sa.Text()), null=False),
        _column("rule_version", "Hash of the routing policy", null=False),
        _column("as_of", "When it was computed", _INSTANT, null=False),
        schema="mart", comment="What runs out within the next months, and what routing will then do otherwise",
    )  # fmt: skip


def _pacing(metadata: sa.MetaData) -> None:
    number: sa.types.TypeEngine[Any] = sa.Double()
    sa.Table(
        "target_pacing", metadata,
        _column("target_id", "Target", key=True), _column("partner_id", "Whose it is", null=False),
        _column("metric", "What is counted: revenue, leads, deals or certifications", null=False),
        _column("currency", "Currency of a revenue target; null: it is a count"),
        _column("period_start", "First day", sa.Date(), null=False),
        _column("period_end", "Last day", sa.Date(), null=False),
        _column("target", "What is to be reached: minor units of `currency`, or a count", number, null=False),
        _column("reached", "What is reached of it from the first day on, in the same unit", number, null=False),
        _column("elapsed", "Share of the period that is over, by whole days: 0 to 1", number, null=False),
        _column("expected", "What should be reached by then, on a straight line", number, null=False),
        _column("attainment", "reached / target, 1 = reached", number, null=False),
        _column("pace", "reached / expected, 1 = just in time; null: nothing is expected yet", number),
        _column("projected", "What it comes to at the end if it goes on like this; null: nothing is over yet", number),
        _column("state", "reached, on_plan, behind, missed or not_begun", null=False),
        _column("other_currency", "Won deals that are left out since they are in another currency", sa.BigInteger(),
                null=False),
        _column("rule_version", "Hash of policies/targets.yaml", null=False),
        *_stamps(),
        schema="mart", comment="How far each partner's targets are, beside how far they should be by the day",
    )  # fmt: skip
