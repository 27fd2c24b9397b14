"""The functions that `do:` of a mapping names: pure, of JSON values, raising nothing but ValueError.

To add one: write it here with a docstring (the documentation and the JSON schema show it), register it,
and test it in tests/mapping/test_mapping_functions.py.
A function is called with a value that is not empty; None as answer means empty.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from prm_sync.canonical import values
from prm_sync.canonical.currencies import EXPONENTS
from prm_sync.canonical.model import Kind
from prm_sync.rules.mapping.freemail import FREE_MAIL

Way = Literal["in", "back"]


@dataclass(frozen=True, slots=True)
class Function:
    """One registered function.

    `takes_all`: it is given the list of all values of `from` (empty ones as None) instead of the first that is not
    empty. `final`: its answer is the canonical value already and is not parsed again; `gives`: nor is it for a field
    of this kind. `ways`: where it may stand, under `fields` ("in") or under `back`. `given`: it also takes the currency
    of a MONEY field.
    """

    name: str
    run: Callable[..., Any]
    ways: tuple[Way, ...]
    takes_all: bool = False
    final: bool = False
    given: bool = False
    gives: Kind | None = None

    @property
    def doc(self) -> str:
        return " ".join((self.run.__doc__ or "").split())


FUNCTIONS: dict[str, Function] = {}
"""Every function by its name."""


def _register(
    *ways: Way, takes_all: bool = False, final: bool = False, given: bool = False, gives: Kind | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(run: Callable[..., Any]) -> Callable[..., Any]:
        name = run.__name__
        FUNCTIONS[name] = Function(name, run, ways, takes_all, final, given, gives)
        return run

    return keep


# --- time ----------------------------------------------------------------------------------------------------------


@_register("in")
def epoch_ms(value: Any) -> dt.datetime:
    """Milliseconds since 1970 (UTC) to an instant."""
    ms = values.integer(value)
    try:
        return dt.datetime.fromtimestamp(ms // 1000, dt.UTC).replace(microsecond=ms % 1000 * 1000)
    except (OverflowError, OSError, ValueError) as wrong:
        raise ValueError("an instant out of range") from wrong


@_register("in")
def epoch_s(value: Any) -> dt.datetime:
    """Seconds since 1970 (UTC), whole or with fractions, to an instant."""
    return epoch_ms(round(values.number(value) * 1000))  # type: ignore[no-any-return]


@_register("in")
def day_first(value: Any) -> dt.date:
    """A date written 31/12/2026 (day, month, year) to a day."""
    return _slashed(value, day=0, month=1)


@_register("in")
def month_first(value: Any) -> dt.date:
    """A date written 12/31/2026 (month, day, year) to a day."""
    return _slashed(value, day=1, month=0)


def _slashed(value: Any, *, day: int, month: int) -> dt.date:
    found = re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", values.text(value))
    if not found:
        return values.date(value)
    try:
        return dt.date(int(found[3]), int(found[month + 1]), int(found[day + 1]))
    except ValueError as wrong:
        raise ValueError("not a day of the calendar") from wrong


@_register("back")
def to_epoch_ms(value: Any) -> int:
    """An instant to milliseconds since 1970 (UTC)."""
    return (values.instant(value) - _EPOCH) // dt.timedelta(milliseconds=1)


@_register("back")
def to_epoch_s(value: Any) -> int:
    """An instant to whole seconds since 1970 (UTC)."""
    return (values.instant(value) - _EPOCH) // dt.timedelta(seconds=1)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@_register("back")
def to_iso_z(value: Any) -> str:
    """An instant to ISO 8601 with Z: 2026-11-20T08:15:30Z."""
    return values.instant(value).strftime("%Y-%m-%dT%H:%M:%SZ")


@_register("back")
def to_date(value: Any) -> str:
    """An instant or a day to its (UTC) day, 2026-11-20."""
    return values.date(value).isoformat()


# --- numbers -------------------------------------------------------------------------------------------------------


@_register("in", final=True)
def minor_units(value: Any) -> int:
    """An amount that is in minor units (cents) already."""
    return values.integer(value)


@_register("back", given=True)
def major_units(value: Any, currency: str) -> int | float:
    """An amount in minor units to a decimal number of its currency: 123456 EUR to 1234.56, 1000 JPY to 1000."""
    if currency not in EXPONENTS:
        raise ValueError("an amount in an unknown currency")
    amount = Decimal(values.integer(value)).scaleb(-EXPONENTS[currency])
    return int(amount) if amount == amount.to_integral_value() else float(amount)


@_register("in")
def percent(value: Any) -> float:
    """A percentage, "45 %", "45" or 45, to its number 45."""
    return values.number(value.replace("%", "").replace("٪", "") if isinstance(value, str) else value)


@_register("in", "back")
def ratio_to_percent(value: Any) -> float:
    """A ratio, 0.45, to percent, 45."""
    return round(values.number(value) * 100, 6)


@_register("in", "back")
def percent_to_ratio(value: Any) -> float:
    """Percent, 45, to a ratio, 0.45."""
    return round(percent(value) / 100, 8)  # type: ignore[no-any-return]


@_register("in", "back")
def negate(value: Any) -> bool:
    """Yes to no and no to yes: a remote "subscribed" is our `no_email` turned round."""
    return not values.boolean(value)


@_register("in")
def is_there(_value: Any) -> bool:
    """True where the remote field has a value (an empty one stays empty)."""
    return True


# --- names and texts -----------------------------------------------------------------------------------------------


@_register("in", "back")
def first_word(value: Any) -> str | None:
    """The first word of a text; of a name in one word nothing, for that is kept as last name (`last_words`)."""
    words = values.text(value).split()
    return words[0] if len(words) > 1 else None


@_register("in", "back")
def last_words(value: Any) -> str:
    """All words but the first; of a name in one word that word."""
    words = values.text(value).split()
    return " ".join(words[1:] or words)


@_register("in", "back", takes_all=True)
def join_name(parts: Sequence[Any]) -> str | None:
    """The values of `from` with a space between, empty ones left out."""
    return " ".join(values.text(p) for p in parts if not values.is_empty(p)) or None


@_register("in", "back", takes_all=True)
def join_lines(parts: Sequence[Any]) -> str | None:
    """The values of `from` as lines, empty ones left out: address lines 1, 2, 3 to a street."""
    return "\n".join(values.text(p) for p in parts if not values.is_empty(p)) or None


@_register("in", "back")
def lower(value: Any) -> str:
    """A text in lower case."""
    return values.text(value).lower()


@_register("in", "back")
def upper(value: Any) -> str:
    """A text in upper case."""
    return values.text(value).upper()


@_register("in")
def split_list(value: Any) -> list[str]:
    """A text with commas, semicolons, bars or line ends between its items, to a list."""
    return _items(value, r"[,;|\n،；，、]")


@_register("in")
def semicolon_list(value: Any) -> list[str]:
    """A text with semicolons between its items (Salesforce multi-select picklists), to a list."""
    return _items(value, ";")


@_register("in")
def comma_list(value: Any) -> list[str]:
    """A text with commas between its items, to a list."""
    return _items(value, ",")


def _items(value: Any, separators: str) -> list[str]:
    if not isinstance(value, str):
        return values.texts(value)
    return values.texts(re.split(separators, value))


@_register("back")
def semicolon_join(value: Any) -> str:
    """A list to a text with semicolons between its items."""
    return ";".join(values.texts(value))


@_register("back")
def comma_join(value: Any) -> str:
    """A list to a text with commas between its items."""
    return ", ".join(values.texts(value))


# --- addresses and references --------------------------------------------------------------------------------------


@_register("in", "back", gives=Kind.DOMAIN)
def domain(value: Any) -> str:
    """The domain of an e-mail address or a URL."""
    return values.domain(value)


@_register("in", "back", gives=Kind.DOMAIN)
def work_domain(value: Any) -> str | None:
    """The domain of an e-mail address; nothing for a free-mail provider, whose domain says nothing about a company."""
    host = values.email(value).rpartition("@")[2]
    return None if host in FREE_MAIL else host


@_register("in")
def before_colon(value: Any) -> str | None:
    """What stands before the first colon: the lead's id in an offer's key, "<lead id>:<rank>"."""
    return values.text(value).partition(":")[0] or None


@_register("back")
def remote_id(value: Any) -> str:
    """A reference, "connection:id", to the id alone."""
    return values.text(value).partition(":")[2] or values.text(value)
