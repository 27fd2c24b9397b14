"""What each object of the API is: its key's prefix, its filters, and the values that it takes.

Facts by PartnerStack's reference (Vendor API v2); what no document says is a switch, see `switches.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[Any], str | None]
"""What is wrong with a value, to be read after the field's name; None: nothing."""

CREATED = frozenset({"min_created", "max_created"})
CHANGED = CREATED | {"min_updated", "max_updated"}
PAGING = frozenset({"limit", "starting_after", "ending_before", "order_by", "include_archived"})
LEAD_STATUSES = ("open", "closed", "dead", "closed won", "closed lost")
REWARD_STATUSES = ("hold", "pending", "approved", "declined", "paid", "scheduled")
PAYMENT_STATUSES = ("available", "in_transit", "withdrawn", "paid_externally", "expired", "failed", "merging")
APPROVED_STATUSES = ("approved", "pending", "declined", "suspended")
STAGES = ("Submitted", "Qualified", "Proposal", "Closed Won", "Closed Lost")  #: the sales cycle, unless set otherwise
TRANSACTION_AMOUNT = 50_000_000_000  #: cents, either sign
INT32 = 2**31 - 1


def text(longest: int, shortest: int = 0) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        return None if shortest <= len(value) <= longest else f"must have {shortest} to {longest} characters"

    return check


def cents(most: int) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be an integer of cents"
        return None if -most <= value <= most else f"must be between -{most} and {most}"

    return check


def one_of(*allowed: str) -> Check:
    return lambda value: None if value in allowed else f"must be one of {', '.join(allowed)}"


def email(value: Any) -> str | None:
    wrong = text(255)(value)
    return wrong or (None if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value) else "must be a valid email")


def an_object(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "must be an object"


def a_list(value: Any) -> str | None:
    return None if isinstance(value, list) else "must be a list"


def a_boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be a boolean"


def epoch_ms(value: Any) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value > 10**11
    return None if good else "must be a time in epoch milliseconds"


def a_day(value: Any) -> str | None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return "must be a date, YYYY-MM-DD"
    return None


def currency(value: Any) -> str | None:
    return None if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{3}", value) else "must be 3 letters"


def metadata(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "must be an object"
    if len(value) > 25:
        return "must have at most 25 entries"
    if any(len(str(name)) > 30 for name in value):
        return "must have names of at most 30 characters"
    return "must have values of at most 100 characters" if any(len(str(v)) > 100 for v in value.values()) else None


@dataclass(frozen=True, slots=True)
class Kind:
    """One object: `takes` are the fields that a create or patch may set, `also` the names its path accepts."""

    name: str
    one: str  #: its name in messages
    prefix: str
    takes: Mapping[str, Check]
    required: tuple[str, ...] = ()
    filters: frozenset[str] = CHANGED
    also: tuple[str, ...] = ()
    orders: tuple[str, ...] = ("created_at", "-created_at")
    empty: Mapping[str, Any] = field(default_factory=dict)  #: values of a row that nobody set
    verbs: frozenset[str] = frozenset({"list", "get", "create", "patch", "delete"})


_OWN = {"meta": an_object, "fields": an_object}

KINDS: dict[str, Kind] = {
    k.name: k
    for k in (
        Kind(
            "partnerships", "Partnership", "part_",
            takes={
                "email": email, "first_name": text(50), "last_name": text(50), "partner_key": text(255, 1),
                "group": text(255), "manager": text(255), "tags": a_list, "approved_status": one_of(*APPROVED_STATUSES),
                **_OWN,
            },
            required=("email",),
            filters=CHANGED | {"group", "approved_status", "email", "partner_key", "include_offers"},
            also=("partner_key", "email"), orders=("created_at", "-created_at", "updated_at", "-updated_at"),
            empty={
                "partner_key": None, "email": None, "first_name": None, "last_name": None, "group": None,
                "manager": None, "stats": {}, "tags": [], "team": None, "joined_at": None,
                "approved_status": "approved", "claimed": True, "fields": {},
            },
        ),
        Kind(
            "leads", "Lead", "lead_",
            takes={
                "external_key": text(255, 1), "partner_key": text(255, 1), "status": one_of(*LEAD_STATUSES),
                "amount": cents(INT32), "approved": a_boolean, "mold_key": text(255), **_OWN,
            },
            required=("partner_key", "status"), filters=CHANGED | {"partner_key", "group"}, also=("external_key",),
            empty={
                "external_key": None, "partner_key": None, "partnership_key": None, "group_key": None, "status": "open",
                "amount": None, "approved": None, "mold_key": None, "meta": {}, "fields": {},
            },
        ),
        Kind(
            "deals", "Deal", "deal_",
            takes={
                "external_key": text(255, 1), "account_name": text(255, 1), "amount": cents(INT32), "close_date": a_day,
                "contact_first_name": text(50), "contact_last_name": text(50), "customer_key": text(255),
                "stage": text(255, 1), "source": one_of("partner", "vendor"), "lost_reason": text(1000),
                "partner_key": text(255, 1), "mold_key": text(255), **_OWN,
            },
            required=("account_name", "partner_key", "stage"), filters=CHANGED | {"partner_key", "group"},
            also=("external_key",),
            empty={
                "external_key": None, "account_name": None, "amount": None, "close_date": None,
                "contact_first_name": None, "contact_last_name": None, "customer_key": None, "stage": None,
                "source": "vendor", "lost_reason": None, "partner_key": None, "partnership_key": None,
                "group_key": None, "team": None, "team_member": None, "mold_key": None, "meta": {}, "fields": {},
            },
        ),
        Kind(
            "customers", "Customer", "cust_",
            takes={
                "customer_key": text(255, 1), "email": email, "name": text(255), "partner_key": text(255, 1),
                "provider_key": text(255), **_OWN,
            },
            required=("email", "partner_key"), filters=CHANGED | {"partner_key", "email", "has_sub_id"},
            also=("customer_key",),
            empty={
                "customer_key": None, "email": None, "name": None, "partner_key": None, "partnership_key": None,
                "provider_key": None, "source_key": None, "source_type": None, "meta": {}, "fields": {},
            },
        ),
        Kind(
            "transactions", "Transaction", "trns_",
            takes={
                "key": text(255, 4), "customer_key": text(255), "customer_external_key": text(255),
                "customer_email": email, "amount": cents(TRANSACTION_AMOUNT), "currency": currency,
                "category_key": text(255), "product_key": text(255), "metadata": metadata, "created_at": epoch_ms,
            },
            required=("amount", "currency"), filters=CREATED | {"customer_key"},
            empty={
                "amount": None, "currency": None, "amount_usd": None, "approved": True, "category_key": None,
                "product_key": None, "metadata": {}, "customer": None, "customer_key": None,
            },
            verbs=frozenset({"list", "create", "delete"}),
        ),
        Kind(
            "rewards", "Reward", "rew_",
            takes={"amount": cents(TRANSACTION_AMOUNT), "description": text(255), "partnership_key": text(255)},
            required=("amount", "description", "partnership_key"),
            filters=CREATED | {"payment_status", "status", "company_key", "group_key", "invoice_key", "keywords"},
            empty={
                "amount": None, "currency": None, "description": None, "reward_status": "hold", "payment_status": None,
                "customer": None, "partnership": None, "transaction": None, "trigger": None, "invoice": None,
                "offer": None, "action": None,
            },
            verbs=frozenset({"list", "create"}),
        ),
    )
}  # fmt: skip
