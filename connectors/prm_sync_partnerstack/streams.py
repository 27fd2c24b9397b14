"""The streams, as data: their fields, how each is filtered, and what may be looked up by what.

Field names and types follow the vendor's reference; `archived`, and `test` on leads and deals, are assumed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from prm_sync.connect import Deletes, Field, Stream
from prm_sync.connect.protocol import FieldKind

WRITE_BATCH = 50  #: changes in one `write`: each is a call of its own, so this only bounds what a crash leaves unknown

Road: TypeAlias = Literal["path", "filter", "scan"]
"""How a record is found: GET /leads/{value}, GET /customers?email=value, or by looking through the newest rows."""


def _f(kind: FieldKind, *names: str, writable: bool = False) -> tuple[Field, ...]:
    return tuple(Field(name, kind, writable) for name in names)


def _w(kind: FieldKind, *names: str) -> tuple[Field, ...]:
    return _f(kind, *names, writable=True)


_STAMPS = (*_f("integer", "created_at", "updated_at"), *_f("boolean", "test", "archived"))
_OWN = (*_w("object", "meta", "fields"), *_f("object", "field_data"))
_LEAD_STATUS = ("open", "closed", "dead", "closed won", "closed lost")
_REWARD_STATUS = ("hold", "pending", "approved", "declined", "paid", "scheduled")
_PAYMENT_STATUS = ("available", "in_transit", "withdrawn", "paid_externally", "expired", "failed", "merging")


@dataclass(frozen=True, slots=True)
class Source:
    """A stream and what the connector must know to read it."""

    stream: Stream
    changed_filter: bool = True  #: False: only `min_created` is there, so changes need a window that is read again
    gettable: bool = True  #: GET /<stream>/{key} is in the vendor's index of calls
    patchable: bool = True
    roads: dict[str, Road] = field(default_factory=dict)  #: besides the key


def _source(
    name: str,
    fields: tuple[Field, ...],
    *,
    changed_filter: bool = True,
    gettable: bool = True,
    patchable: bool = True,
    write_batch: int = WRITE_BATCH,
    roads: dict[str, Road] | None = None,
) -> Source:
    own_key = Field("key", "text", writable="key" in (roads or ()))
    stream = Stream(
        name, key="key", fields=(own_key, *fields, *_STAMPS), modified="updated_at", incremental=True,
        match_on=tuple(roads or ()), write_batch=write_batch,
    )  # fmt: skip
    return Source(stream, changed_filter, gettable, patchable, roads or {})


SOURCES: dict[str, Source] = {
    s.stream.name: s
    for s in (
        _source(
            "partnerships",
            (
                *_w("text", "partner_key", "email", "first_name", "last_name"), *_w("object", "group", "manager"),
                *_f("object", "stats", "team"), *_w("list", "tags"), *_f("integer", "joined_at"),
                *_f("boolean", "claimed"), *_f("choice", "approved_status"), *_OWN,
            ),
            roads={"partner_key": "path", "email": "path"},
        ),
        _source(
            "leads",
            (
                *_w("text", "external_key", "partner_key"), *_f("text", "partnership_key", "group_key"),
                Field("status", "choice", writable=True, choices=_LEAD_STATUS), *_w("integer", "amount"),
                *_w("boolean", "approved"), *_w("text", "mold_key"), *_OWN,
            ),
            roads={"external_key": "path"},
        ),
        _source(
            "deals",
            (
                *_w("text", "external_key", "partner_key"), *_f("text", "partnership_key", "group_key"),
                *_w("text", "account_name", "contact_first_name", "contact_last_name", "customer_key", "stage"),
                *_w("integer", "amount"), *_w("date", "close_date"),
                Field("source", "choice", writable=True, choices=("partner", "vendor")), *_w("text", "lost_reason"),
                *_f("object", "team", "team_member"), *_w("text", "mold_key"), *_OWN,
            ),
            roads={"external_key": "path"},
        ),
        _source(
            "customers",
            (
                *_w("text", "customer_key", "email", "name", "partner_key"), *_f("text", "partnership_key"),
                *_w("text", "provider_key"), *_f("text", "source_key", "source_type"), *_OWN,
            ),
            roads={"customer_key": "path", "email": "filter"},
        ),
        _source(
            "transactions",
            (
                *_w("integer", "amount"), *_w("text", "currency"), *_f("integer", "amount_usd"),
                *_f("boolean", "approved"), *_w("text", "category_key", "product_key"), *_w("object", "metadata"),
                *_f("object", "customer", "company"),
                *_w("text", "customer_key", "customer_external_key", "customer_email"), *_f("object", "extension"),
            ),
            changed_filter=False, gettable=False, patchable=False, roads={"key": "scan"},
        ),
        _source(
            "rewards",
            (
                *_f("integer", "amount"), *_f("text", "currency", "description"),
                Field("reward_status", "choice", choices=_REWARD_STATUS),
                Field("payment_status", "choice", choices=_PAYMENT_STATUS),
                *_f("object", "customer", "partnership", "transaction", "trigger", "invoice", "offer", "action"),
            ),
            changed_filter=False, gettable=False, patchable=False, write_batch=0,
        ),
    )
}  # fmt: skip


def declared(archived: Collection[str], only: Collection[str] | None) -> list[Stream]:
    """The streams by name; those read with `include_archived` mark what is gone."""
    return [
        replace(s.stream, deletes=Deletes.MARKED) if name in archived else s.stream
        for name, s in SOURCES.items()
        if only is None or name in only
    ]
