"""A first mapping for a file that nobody has mapped yet: from its column names and some of its rows.

A proposal is read and corrected by a person. What is certain stands plain; what was guessed says "please confirm" in
the file; what has no place is listed in it. Nothing is left out silently.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prm_sync.canonical import values
from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity, Field, Kind
from prm_sync.rules.fold import fold
from prm_sync.rules.labels import CHOICES, LABELS, MEANS

NEAR = 0.9  #: least likeness of a header and a label, or of a value and a choice, that is worth a question
CANDIDATES = ("lead", "contact", "account", "partner", "opportunity", "target")
MOST_CHOICES = 50  #: more distinct values than this are no pick list

_LISTS = frozenset(f.name for e in ENTITIES.values() for f in e.fields if f.kind is Kind.TEXTS)
_WANTED: dict[str, tuple[str, ...]] = {
    "lead": ("last_name", "company", "country", "product", "status"),
    "contact": ("last_name", "country"),
    "account": ("name", "country", "domain"),
    "partner": ("name", "partner_key", "country", "territories", "status"),
    "opportunity": ("name", "stage", "amount", "close_date"),
    "target": ("partner_key", "metric", "period_start", "period_end"),
}
"""Fields without which an entity is of little use, besides those that it must have."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A canonical field and the headers it is made of. `sure` is False where a person must look; `why` says it all."""

    field: str
    headers: tuple[str, ...]
    why: str
    sure: bool = True
    do: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """`text` is a whole mapping file. `unplaced` headers have no field; `missing` says in words what the file lacks."""

    entity: str
    text: str
    placed: tuple[Placed, ...]
    unplaced: tuple[str, ...]
    missing: tuple[str, ...]


def propose(
    headers: Sequence[str],
    samples: Sequence[Mapping[str, Any]],
    entity: str | None = None,
    *,
    source: str = "files.leads",
) -> Proposal:
    """A mapping of `source` (<connector>.<stream>) to `entity`; None: to the one that the headers fit best.

    `samples` are some records; a few hundred give good pick lists. Raises ValueError for an unknown entity.
    """
    if entity is not None and entity not in ENTITIES:
        raise ValueError(f"unknown entity {entity!r}; there are: {', '.join(ENTITIES)}")
    headers = [h for h in dict.fromkeys(headers) if not (h.startswith("__") and h.endswith("__"))]
    columns = {h: [r[h] for r in samples if not values.is_empty(r.get(h))] for h in headers}
    names = (entity,) if entity else CANDIDATES
    best = max((_fitted(ENTITIES[name], headers, columns) for name in names), key=lambda fit: fit.score)
    placed = sorted(best.placed, key=lambda p: list(best.entity.by_name).index(p.field))
    used = {h for p in placed for h in p.headers}
    unplaced = tuple(h for h in headers if h not in used)
    missing = tuple(_missing(best.entity, placed))
    text = "".join(
        f"{line}\n".replace(" \n", "\n") for line in _lines(source, best.entity, placed, unplaced, missing, columns)
    )
    return Proposal(best.entity.name, text, tuple(placed), unplaced, missing)


# --- headers to fields ---------------------------------------------------------------------------------------------


def label_key(header: str) -> str:
    """A header for comparison: folded, camelCase parted, without accents and punctuation."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    plain = "".join(c for c in unicodedata.normalize("NFKD", fold(parted)) if not unicodedata.combining(c))
    plain = plain.replace("đ", "d").replace("ة", "ه").replace("ß", "ss")
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


def _meanings() -> dict[str, tuple[str, ...]]:
    """Folded label -> its meanings: "nombre" is a first name, and the name of a company."""
    known: dict[str, tuple[str, ...]] = {}
    for meaning, labels in LABELS.items():
        for label in dict.fromkeys(map(label_key, (meaning, *labels.split("|")))):
            known[label] = (*known.get(label, ()), meaning)
    return known


_MEANINGS = _meanings()


@dataclass(frozen=True, slots=True)
class _Fit:
    entity: Entity
    placed: tuple[Placed, ...]
    score: float


def _fitted(entity: Entity, headers: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> _Fit:
    placed: dict[str, Placed] = {}
    taken: set[str] = set()
    found = {header: _by_label(entity, header) for header in headers}
    for header, match in sorted(found.items(), key=lambda item: _order(item[1])):
        if match and _put(placed, entity, header, *match):
            taken.add(header)
    for header in headers:
        if header not in taken and (name := _by_values(entity, columns[header], placed)):
            placed[name] = Placed(name, (header,), "its values look like it, its name does not", sure=False)
            taken.add(header)
    if "domain" in entity.by_name and "domain" not in placed and entity.name != "partner" and "email" in placed:
        email = placed["email"]
        placed["domain"] = Placed("domain", email.headers, "of the e-mail address", email.sure, do="work_domain")
    _doubt(placed, entity, columns)
    return _Fit(entity, tuple(placed.values()), _score(entity, placed, headers))


def _order(match: tuple[tuple[str, ...], str, bool] | None) -> tuple[bool, int]:
    """Certain ones first; a whole name after its parts, which say what else it may be."""
    return (not match[2], len(match[0])) if match else (True, 0)


def _by_label(entity: Entity, header: str) -> tuple[tuple[str, ...], str, bool] | None:
    """(fields, why, sure) of a header: by its exact label, else by one that is near to it."""
    key = label_key(header)
    own = entity.by_name.get(key.replace(" ", "_"))
    if own is not None and own.kind is not Kind.REFERENCE:
        return (own.name,), "by its name", True
    meanings = _MEANINGS.get(key, ())
    for prefix in (entity.name, *_own_words(entity)):  # "Lead Country", "Partner tier"
        meanings = meanings or (_MEANINGS.get(key.removeprefix(f"{prefix} "), ()))
    if meanings:
        fields = next((f for m in meanings if (f := _fields_of(entity, m))), ())
        return (fields, "by its name", True) if fields else None
    for label in difflib.get_close_matches(key, _MEANINGS, 3, NEAR) if len(key) >= 4 else ():
        for meaning in _MEANINGS[label]:
            if fields := _fields_of(entity, meaning):
                return fields, f'its name is near to "{label}"', False
    return None


def _own_words(entity: Entity) -> tuple[str, ...]:
    return {"opportunity": ("deal",), "account": ("customer",), "lead": ("contact",)}.get(entity.name, ())


def _fields_of(entity: Entity, meaning: str) -> tuple[str, ...]:
    special = MEANS.get(entity.name, {})
    if meaning in special:
        return special[meaning]
    field = entity.by_name.get(meaning)
    return (meaning,) if field is not None and field.kind is not Kind.REFERENCE else ()


def _put(placed: dict[str, Placed], entity: Entity, header: str, names: tuple[str, ...], why: str, sure: bool) -> bool:
    """Place a header; False where its fields have a better one. Of two columns the first that is not empty is taken."""
    if len(names) == 2:  # one column with the whole name, or with what is left of it: "Vorname, Name"
        if names[1] in placed:
            return False
        if names[0] in placed:
            placed[names[1]] = Placed(names[1], (header,), "beside a first name it is the family name", sure=False)
            return True
        why = "the whole name: which word is the family name depends on the country"
        placed[names[0]] = Placed(names[0], (header,), why, sure=False, do="first_word")
        placed[names[1]] = Placed(names[1], (header,), why, sure=False, do="last_words")
        return True
    name = names[0]
    old = placed.get(name)
    if old is None:
        partner_name = entity.name == "target" and "partner" in _MEANINGS.get(label_key(header), ())
        if partner_name:
            why, sure = "it must hold the partner's key in the PRM, not its name", False
        placed[name] = Placed(name, (header,), why, sure, do="split_list" if name in _LISTS else None)
        return True
    if not sure or old.do:
        return False
    placed[name] = Placed(name, (*old.headers, header), "two columns: the first that is not empty is taken", sure=False)
    return True


# --- what the values say -------------------------------------------------------------------------------------------

_SEEN_KINDS = (Kind.EMAIL, Kind.PHONE, Kind.COUNTRY)
_PHONE = re.compile(r"[+(]?\d[\d\s()./-]{6,}\d(?:\s*(?:x|ext\.?)\s*\d+)?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")


def looks_like(kind: Kind, column: Sequence[Any]) -> bool:
    """Whether four of five values are of this kind: an e-mail address, a phone number or a country."""
    return bool(column) and sum(_is(kind, value) for value in column) >= 0.8 * len(column)


def _is(kind: Kind, value: Any) -> bool:
    if kind is Kind.PHONE:  # without a country no number can be parsed: go by its shape
        text = fold(str(value))
        return bool(_PHONE.fullmatch(text)) and not _DATE.fullmatch(text)
    try:
        values.PARSERS[kind](value)
    except ValueError:
        return False
    return True


def _by_values(entity: Entity, column: Sequence[Any], placed: Mapping[str, Placed]) -> str | None:
    """The field that is not placed yet and that the values of a column with a strange name are of."""
    for kind in _SEEN_KINDS:
        free = next((f.name for f in entity.fields if f.kind is kind and f.name not in placed), None)
        if not free or not looks_like(kind, column):
            continue
        if kind is Kind.PHONE and not any(re.search(r"[+() -]", str(value)) for value in column):
            continue  # bare digits are as well an id or an amount
        return free
    return None


def _doubt(placed: dict[str, Placed], entity: Entity, columns: Mapping[str, Sequence[Any]]) -> None:
    """A column named like an e-mail address, phone or country whose values are not: a question."""
    for name, p in placed.items():
        kind = entity.by_name[name].kind
        column = [value for header in p.headers for value in columns[header]]
        if kind in _SEEN_KINDS and column and p.sure and not any(_is(kind, value) for value in column):
            placed[name] = Placed(name, p.headers, f"none of its values looks like {_a(kind)}", sure=False)


def _a(kind: Kind) -> str:
    return {Kind.EMAIL: "an e-mail address", Kind.PHONE: "a phone number"}.get(kind, f"a {kind}")


def _score(entity: Entity, placed: Mapping[str, Placed], headers: Sequence[str]) -> float:
    """How well headers fit an entity: a point a column, half for a guess, more for what the entity is known by."""
    found = {h: p.sure for p in placed.values() for h in p.headers if p.do != "work_domain"}
    score = sum(1.0 if sure else 0.5 for sure in found.values())
    score += sum(0.5 for name in _TELLING.get(entity.name, ()) if name in placed)
    score += sum(1.0 for h in headers if entity.name in label_key(h).split())
    return score - sum(2.0 for group in entity.any_of if not any(name in placed for name in group))


_TELLING: dict[str, tuple[str, ...]] = {
    "lead": ("company", "source", "rating", "score", "need", "product"),
    "contact": ("last_name",),
    "account": ("name", "account_number", "employees"),
    "partner": ("tier", "type", "territories", "partner_key", "tax_id", "weekly_capacity", "joined_at"),
    "opportunity": ("stage", "close_date", "probability", "amount"),
    "target": ("metric", "period_start", "period_end", "quantity"),
}


def _missing(entity: Entity, placed: Sequence[Placed]) -> Iterator[str]:
    have = {p.field for p in placed}
    for group in entity.any_of:
        if not have & set(group):
            yield f"no column for {', '.join(group)}: a {entity.name} must have one of them"
    for p in placed:
        field = entity.by_name[p.field]
        if field.given and field.given not in have:
            yield _needs_given(field)
    for name in _WANTED.get(entity.name, ()):
        if name not in have and not any(name in group for group in entity.any_of if not have & set(group)):
            yield f"no column for {name}: {entity.by_name[name].doc}"
    if entity.name == "target" and not have & {"amount", "quantity"}:
        yield "no column for amount or quantity: the target itself"


def _needs_given(field: Field) -> str:
    if field.kind is Kind.MONEY:
        return f"no column for currency: {field.name} is an amount of money and stands as a comment until one is set"
    return f"no column for country: a number in {field.name} that does not begin with + cannot be read"


# --- the file ------------------------------------------------------------------------------------------------------


def _lines(
    source: str, entity: Entity, placed: Sequence[Placed], unplaced: Sequence[str], missing: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
) -> Iterator[str]:  # fmt: skip
    yield f"# Proposed from the columns of {source}. Look at each line that says: please confirm."
    yield from (f"# Missing: {words}." for words in missing)
    yield f"from: {source}"
    yield f"to: {entity.name}"
    yield ""
    yield "fields:"
    have = {p.field for p in placed}
    for p in placed:
        field = entity.by_name[p.field]
        if field.kind is Kind.CHOICE:
            yield from _choice_lines(p, field, [v for h in p.headers for v in columns[h]])
        elif field.kind is Kind.MONEY and field.given not in have:
            yield f"  # {p.field}: {_from(p)}"
            yield f"  # currency: {{from: {_scalar(p.headers[0])}, else: EUR}}  # if all amounts are in euro"
        else:
            yield f"  {p.field}: {_from(p)}{_question(p)}"
    if unplaced:
        yield ""
        yield "# Columns without a field; most may stay so, since the record is kept whole:"
        yield from (f"#   {_scalar(header)}" for header in unplaced)


def _from(p: Placed) -> str:
    names = _scalar(p.headers[0]) if len(p.headers) == 1 else f"[{', '.join(map(_scalar, p.headers))}]"
    if p.do:
        return f"{{from: {names}, do: {p.do}}}"
    return names if len(p.headers) == 1 else f"{{from: {names}}}"


def _question(p: Placed) -> str:
    return "" if p.sure else f"  # please confirm: {p.why}"


def _choice_lines(p: Placed, field: Field, column: Sequence[Any]) -> Iterator[str]:
    """The field with its values in the samples; those that mean no choice for sure are left to the person."""
    distinct = sorted({str(value).strip() for value in column}, key=lambda v: (v.casefold(), v))
    if len(distinct) > MOST_CHOICES:
        yield f"  # {p.field}: {_from(p)}  # {len(distinct)} different values: this is no pick list"
        return
    known = {value: _choice_of(field, value) for value in distinct}
    off = "" if any(choice for choice, _ in known.values()) else "# "
    yield f"  {off}{p.field}:{_question(p)}"
    yield f"    {off}from: {_from(p)}"
    yield f"    {off}choices:  # {', '.join(field.choices)}"
    for value, (choice, sure) in known.items():
        if choice:
            yield f"      {_scalar(value)}: {choice}" + ("" if sure else "  # please confirm")
        else:
            yield f"      # {_scalar(value)}:  # please choose; until then such records are quarantined for {p.field}"
    if not distinct:
        yield "      # no value in the samples"


def _choice_of(field: Field, value: str) -> tuple[str | None, bool]:
    key = label_key(value)
    exact = {label_key(choice): choice for choice in field.choices}
    if key in exact:
        return exact[key], True
    spelled = {label_key(s): c for c, all_ in CHOICES.items() if c in field.choices for s in all_.split("|")}
    if key in spelled:
        return spelled[key], False
    near = difflib.get_close_matches(key, exact, 1, 0.85)
    return (exact[near[0]], False) if near else (None, False)


_PLAIN = re.compile(r"[^\W\d_][\w ]*\w|[^\W\d_]")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))


def _scalar(text: str) -> str:
    """A text as a YAML scalar: plain where that is the same text everywhere, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
