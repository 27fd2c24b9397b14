"""Echoes: our own writes, as a remote shows them. A remote may trim, re-case, cut, round or re-format what it is given.

What comes back after a write is the remote's handwriting and no change of its own: nothing is sent for it, and it moves
nothing here. Only the first read after a write can be an echo; what changes later was changed by somebody.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from prm_sync.rules.reconcile import same, same_items, value_at

_PHONE = re.compile(r"[+(]?[\d\s().\-/+]{6,}(?:\s*(?:x|ext\.?)\s*\d+)?", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ].*)?")
_CUT = ("...", "…")
SHORTEST_CUT = 2  #: characters that a text cut by the remote has left at least
PHONE_DIGITS = 6  #: digits that two spellings of a phone number share at least


def is_echo(wrote: Any, shows: Any, before: Any, *, wrote_at: datetime, changed_at: datetime | None) -> bool:
    """Whether the first value read after a write is that write: `wrote`, or the remote's way of writing it.

    `before`: what stood there before. `changed_at`: when the remote says that the record was last changed; where nobody
    has touched it since our write, whatever it shows is ours, unless the old value simply stands there again.
    """
    if alike(wrote, shows):
        return True
    untouched = changed_at is not None and changed_at < wrote_at
    return untouched and not _is_empty(shows) and not same(before, shows)


def alike(wrote: Any, shows: Any) -> bool:
    """Whether `shows` may be what a remote made of `wrote`: trimmed, re-cased, cut, rounded, re-formatted."""
    if same(wrote, shows):
        return True
    if _is_empty(wrote) or _is_empty(shows) or isinstance(wrote, bool) or isinstance(shows, bool):
        return False
    if isinstance(wrote, Mapping) or isinstance(shows, Mapping):
        return (
            isinstance(wrote, Mapping) and isinstance(shows, Mapping)
            and all(alike(value, shows.get(key)) for key, value in wrote.items())
        )  # fmt: skip
    if isinstance(wrote, list | tuple) or isinstance(shows, list | tuple):
        return isinstance(wrote, list | tuple) and isinstance(shows, list | tuple) and same_items(wrote, shows, alike)
    a, b = str(wrote).strip(), str(shows).strip()
    return _rounded(a, b) or _same_day(a, b) or _same_phone(a, b) or _same_text(a, b)


def as_meant(record: Mapping[str, Any], pairs: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record with our own words wherever it still shows the remote's spelling of them.

    `pairs`: flat name -> {"wrote": ..., "shows": ...}. The record itself is left as it is.
    """
    meant = {name: p["wrote"] for name, p in pairs.items() if same(p["shows"], value_at(record, name))}
    return with_values(record, meant) if meant else record


def with_values(record: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record with these values, by flat names."""
    out = dict(record)
    for name, value in values.items():
        if name in out or "." not in name:
            out[name] = value
            continue
        top, _, rest = name.partition(".")
        inner = out.get(top)
        out[top] = with_values(inner if isinstance(inner, Mapping) else {}, {rest: value})
    return out


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A written value by the flat names of its leaves: {"meta": {"city": x}} is `meta.city`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {}, ())


def _rounded(wrote: str, shows: str) -> bool:
    """A number that was rounded, up or down, to fewer decimals."""
    if not (_NUMBER.fullmatch(wrote) and _NUMBER.fullmatch(shows)):
        return False
    try:
        exact, near = Decimal(wrote), Decimal(shows)
    except InvalidOperation:
        return False
    had, left = (-min(0, int(n.normalize().as_tuple().exponent)) for n in (exact, near))
    return left < had and abs(exact - near) < Decimal(1).scaleb(-left)


def _same_day(wrote: str, shows: str) -> bool:
    a, b = _DAY.fullmatch(wrote), _DAY.fullmatch(shows)
    return a is not None and b is not None and a[1] == b[1] and shows == b[1]


def _same_phone(wrote: str, shows: str) -> bool:
    """Two spellings of a telephone number: with the country's code and without, with a trunk zero and without."""
    if not (_PHONE.fullmatch(wrote) and _PHONE.fullmatch(shows)) or (_is_amount(wrote) and _is_amount(shows)):
        return False
    a, b = (re.sub(r"\D", "", t).lstrip("0") for t in (wrote, shows))
    short, long = sorted((a, b), key=len)
    return len(short) >= PHONE_DIGITS and long.endswith(short)


def _is_amount(text: str) -> bool:
    return text.isdigit() and not text.startswith("0")


def _same_text(wrote: str, shows: str) -> bool:
    a, b = _folded(wrote), _folded(shows)
    if a == b:
        return bool(a)
    cut = next((b.removesuffix(dots).rstrip() for dots in _CUT if b.endswith(dots)), b)
    return len(cut) >= SHORTEST_CUT and len(cut) < len(a) and a.startswith(cut) and _numbers_kept(a, cut)


def _numbers_kept(whole: str, cut: str) -> bool:
    """A number in the middle of which nothing was cut: 120 is no 1200 that was cut."""
    return not (cut[-1].isdigit() and whole[len(cut)].isdigit() and whole.isdigit())


def _folded(text: str) -> str:
    """Without case, accents, doubled spaces and HTML's escapes."""
    plain = unicodedata.normalize("NFKD", html.unescape(text)).casefold().replace("ı", "i")  # upper case has one I
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
