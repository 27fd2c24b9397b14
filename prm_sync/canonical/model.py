"""The words in which the canonical model is written: `Entity`, `Field` and their types."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The type of a canonical field. `prm_sync.canonical.values` has the parser of each."""

    TEXT = "text"  #: trimmed, NFC, script kept
    EMAIL = "email"  #: lower case
    PHONE = "phone"  #: E.164; needs the country named by `Field.given`
    DOMAIN = "domain"  #: host name without scheme and www
    COUNTRY = "country"  #: ISO 3166-1 alpha-2
    LANGUAGE = "language"  #: ISO 639-1
    CURRENCY = "currency"  #: ISO 4217
    MONEY = "money"  #: minor units of the currency named by `Field.given`
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"  #: aware, UTC
    CHOICE = "choice"  #: one of `Field.choices`
    TEXTS = "texts"  #: a list of texts
    REFERENCE = "reference"  #: "<connection>:<remote id>" of a record that is a `Field.entity`; see core.crosswalk


class Pii(StrEnum):
    """How personal a field is: what sharing policies and the `analyst` role go by."""

    NONE = "none"
    COMPANY = "company"  #: says something about a company only
    PERSONAL = "personal"  #: says who a person is, or something about them
    SENSITIVE = "sensitive"  #: never leaves without consent


class Merge(StrEnum):
    """Which source's value survives into the golden record when several sources have one."""

    LATEST = "latest"  #: of the record that changed last
    TRUSTED = "trusted"  #: of the connection that stands first in `trust` of prm_sync.yaml, then the latest
    LONGEST = "longest"  #: the longest text, then the latest
    OLDEST = "oldest"  #: of the record that was there first
    FREQUENT = "frequent"  #: what most records say, then the latest
    ANY = "any"  #: true where any source says so (opt-outs)


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical field: `name`, `kind`, what it means (`doc`), the requirement it serves (`req`)."""

    name: str
    kind: Kind
    doc: str
    req: str = ""
    pii: Pii = Pii.NONE
    merge: Merge = Merge.LATEST
    given: str | None = None  #: the field of the same record that a PHONE (country) or MONEY (currency) is read by
    choices: tuple[str, ...] = ()
    entity: str | None = None  #: what a REFERENCE points at


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of thing, whatever system it came from.

    `any_of`: groups of fields of which each record must have at least one. `exact_keys`: groups of fields that, all
    present and equal, make two records one entity (policies/identity.yaml may replace them).
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    req: str = ""
    any_of: tuple[tuple[str, ...], ...] = ()
    exact_keys: tuple[tuple[str, ...], ...] = ()
    by_name: dict[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {f.name: f for f in self.fields})
