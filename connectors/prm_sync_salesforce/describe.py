"""What `describe` tells, as a `Stream`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from prm_sync.connect import Deletes, Field, Stream

COLLECTION_ROWS: Final = 200  #: most rows in one call of sObject Collections
LEFT_OUT: Final = frozenset(("address", "location", "base64", "anyType", "complexvalue"))
"""Compound fields come as objects in REST and not at all in bulk (their parts are fields of their own); blobs are not
for a sync."""
NEEDED: Final = ("Id", "IsDeleted", "MasterRecordId")  #: whatever fields the settings name
STAMPS: Final = ("SystemModstamp", "LastModifiedDate", "CreatedDate")

_KINDS: Final[Mapping[str, Any]] = {
    "picklist": "choice", "combobox": "choice", "multipicklist": "list", "reference": "reference", "boolean": "boolean",
    "double": "number", "currency": "number", "percent": "number", "int": "integer", "long": "integer",
    "date": "date", "datetime": "datetime",
}  # fmt: skip


def stream_of(described: Mapping[str, Any], only: Collection[str] | None = None) -> Stream:
    """The stream of a described object; `only` are the fields to read, where the settings name them."""
    usable = [f for f in described["fields"] if f["type"] not in LEFT_OUT]
    modified = next((n for n in STAMPS for f in usable if f["name"] == n and f["filterable"] and f["sortable"]), None)
    names = {f["name"] for f in usable}
    keys = [n for n in match_fields(described) if n in names]
    kept = names if only is None else {*only, *keys, *NEEDED, *([modified] if modified else [])}
    marked = described.get("replicateable") and "IsDeleted" in names and modified is not None
    writes = described.get("createable") or described.get("updateable")
    return Stream(
        name=described["name"],
        key="Id",
        fields=tuple(_field(f) for f in usable if f["name"] in kept),
        modified=modified,
        incremental=modified is not None,
        deletes=Deletes.MARKED if marked else Deletes.NEVER,
        match_on=tuple(keys),
        write_batch=COLLECTION_ROWS if writes else 0,
    )


def match_fields(described: Mapping[str, Any]) -> tuple[str, ...]:
    """External ids (unique ones first), then what Salesforce itself looks records up by (an e-mail address, say)."""
    external = [f for f in described["fields"] if f.get("externalId")]
    external.sort(key=lambda f: not f.get("unique"))
    looked = [f for f in described["fields"] if f.get("idLookup") and not f.get("externalId") and f["name"] != "Id"]
    return tuple(f["name"] for f in (*external, *looked))


def external_ids(described: Mapping[str, Any]) -> frozenset[str]:
    """The fields that an upsert call takes in its path."""
    return frozenset(f["name"] for f in described["fields"] if f.get("externalId"))


def _field(field: Mapping[str, Any]) -> Field:
    return Field(
        name=field["name"],
        type=_KINDS.get(field["type"], "text"),
        writable=bool(field["createable"] or field["updateable"]),
        choices=tuple(v["value"] for v in field.get("picklistValues") or () if v.get("active")),
        label=field.get("label", ""),
        length=field.get("length") or None,
        required=bool(field["createable"] and not field.get("nillable", True) and not field.get("defaultedOnCreate")),
    )
