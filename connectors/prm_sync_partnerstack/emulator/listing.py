"""Lists: filters, order and key cursors. Times are epoch milliseconds; both ends of a range are included (assumed)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prm_sync_partnerstack.emulator.objects import CHANGED, PAGING, Kind

DEFAULT_LIMIT, MOST = 10, 250
RANGES: Mapping[str, tuple[str, Callable[[int, int], bool]]] = {
    "min_created": ("created_at", int.__ge__),
    "max_created": ("created_at", int.__le__),
    "min_updated": ("updated_at", int.__ge__),
    "max_updated": ("updated_at", int.__le__),
}
DEEP: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "group": lambda row: (row.get("group") or {}).get("slug") or row.get("group_key"),
    "status": lambda row: row.get("reward_status"),
    "invoice_key": lambda row: (row.get("invoice") or {}).get("key"),
}
IGNORED = frozenset({"include_offers", "has_sub_id", "keywords", "company_key"})  #: they change nothing that we hold

Row = Mapping[str, Any]


def listed(
    kind: Kind, rows: Sequence[Row], query: Mapping[str, str], switches: Mapping[str, Any]
) -> tuple[list[Row], bool]:
    """The page of `rows` that `query` asks for, and whether there are more on the side it walks to.

    Raises ValueError for a query that the API refuses, LookupError for a cursor that names no row.
    """
    unknown = sorted(set(query) - PAGING - kind.filters - {name.removesuffix("[]") + "[]" for name in kind.filters})
    if unknown and switches["refuse_unknown_filters"]:
        raise ValueError(f"{unknown[0]} is not a known parameter")
    limit, order = _limit(query), query.get("order_by", "-created_at")
    if order not in kind.orders:
        raise ValueError(f"order_by must be one of {', '.join(kind.orders)}")
    after, before = query.get("starting_after"), query.get("ending_before")
    if after and before:
        raise ValueError("starting_after and ending_before are mutually exclusive")
    stamp = order.removeprefix("-")
    # Rows stand in the order in which they came: the place among equal stamps.
    rank = {row["key"]: (row[stamp], n) for n, row in enumerate(rows)}
    down = order.startswith("-")
    chosen = sorted(_filtered(kind, rows, query), key=lambda row: rank[row["key"]], reverse=down)
    if after:
        mark = rank[after]
        chosen = [row for row in chosen if (rank[row["key"]] < mark if down else rank[row["key"]] > mark)]
        return chosen[:limit], len(chosen) > limit
    if before:
        mark = rank[before]
        chosen = [row for row in chosen if (rank[row["key"]] > mark if down else rank[row["key"]] < mark)]
        return chosen[-limit:], len(chosen) > limit
    return chosen[:limit], len(chosen) > limit


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ValueError(f"limit must be between 1 and {MOST}")
    return int(text)


def _filtered(kind: Kind, rows: Sequence[Row], query: Mapping[str, str]) -> list[Row]:
    kept = [row for row in rows if not row["archived"] or query.get("include_archived", "").lower() == "true"]
    for name, text in query.items():
        field = name.removesuffix("[]")
        if field not in kind.filters or field in IGNORED:
            continue
        if field in CHANGED:
            stamp, holds = RANGES[field]
            if not text.isdecimal():
                raise ValueError(f"{field} must be a time in epoch milliseconds")
            kept = [row for row in kept if holds(int(row[stamp]), int(text))]
        else:
            value_of = DEEP.get(field, lambda row, field=field: row.get(field))
            kept = [row for row in kept if str(value_of(row)) in text.split(",")]
    return kept
