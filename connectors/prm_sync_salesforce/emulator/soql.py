"""A parser of the part of SOQL that clients of a sync need. SOQL and SOSL Reference, "SOQL SELECT Syntax".

    SELECT a, b, Owner.Name | COUNT() FROM X [WHERE ...] [ORDER BY a DESC NULLS LAST, b] [LIMIT n] [OFFSET n]

Everything else (GROUP BY, TYPEOF, subqueries, date functions) is refused as MALFORMED_QUERY.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .errors import Fault, malformed

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "LIKE", "IN", "NOT IN"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date-time literal as it is compared: UTC, `2026-11-20T08:15:30.000+0000`."""

    text: str


@dataclass(frozen=True, slots=True)
class Day:
    """A date literal, `2026-11-20`."""

    text: str


Value: TypeAlias = "str | int | float | bool | Stamp | Day | None"


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. `value` is a tuple for IN and NOT IN."""

    field: str
    operator: Operator
    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class Logic:
    """AND and OR of conditions, NOT of one."""

    word: Literal["AND", "OR", "NOT"]
    parts: tuple[Condition, ...]


Condition: TypeAlias = "Test | Logic"


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    descending: bool
    nulls_last: bool
    at: int


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    fields: tuple[tuple[str, int], ...]  #: (name as written, position); empty for COUNT()
    count: bool
    source: str
    source_at: int
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "'": "'",
    '"': '"',
    "\\": "\\",
    "_": "\\_",
    "%": "\\%",
}
_LITERAL_MAX = 4_000  #: characters of one string literal in WHERE (SOQL limits)
_QUERY_MAX = 100_000
_DEEPEST = 100


def parse(text: str) -> Query:
    """The query in `text`. Raises Fault MALFORMED_QUERY."""
    if len(text) > _QUERY_MAX:
        raise Fault(400, "QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100000 characters.")
    return _Parser(text).query()


class _Parser:
    """Recursive descent over a list of tokens (kind, text, position)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.i = 0
        self.depth = 0

    def query(self) -> Query:
        self._word("SELECT")
        count, fields = self._selected()
        self._word("FROM")
        source, source_at = self._object()
        where = self._either() if self._took("WHERE") else None
        order: list[Order] = []
        if self._took("ORDER"):
            self._word("BY")
            order.append(self._order())
            while self._took(","):
                order.append(self._order())
        limit = self._whole() if self._took("LIMIT") else None
        offset_at = self._at()
        offset = self._whole() if self._took("OFFSET") else 0
        if offset > 2000:
            raise Fault(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        if self.i < len(self.tokens):
            raise malformed(self.text, max(self._at(), offset_at), f"unexpected token: '{self.tokens[self.i][1]}'")
        return Query(self.text, tuple(fields), count, source, source_at, where, tuple(order), limit, offset)

    def _object(self) -> tuple[str, int]:
        """`Order` is an object, too: the word before BY is none."""
        if self._peek_word() == "ORDER" and self._peek_word(1) != "BY":
            _, word, at = self.tokens[self.i]
            self.i += 1
            return word, at
        return self._name("an object")

    def _selected(self) -> tuple[bool, list[tuple[str, int]]]:
        if self._peek_word() == "COUNT" and self._sign_at(1, "(") and self._sign_at(2, ")"):
            self.i += 3
            return True, []
        fields = [self._name("a field")]
        while self._took(","):
            fields.append(self._name("a field"))
        return False, fields

    def _order(self) -> Order:
        field, at = self._name("a field")
        descending = self._took("DESC")
        if not descending:
            self._took("ASC")
        nulls_last = False  # null is first by default, also with DESC (SOQL reference, ORDER BY)
        if self._took("NULLS"):
            nulls_last = self._took("LAST")
            if not nulls_last:
                self._word("FIRST")
        return Order(field, descending, nulls_last, at)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._took("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Logic("OR", tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._took("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Logic("AND", tuple(parts))

    def _one(self) -> Condition:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise malformed(self.text, self._at(), "the condition is nested too deeply")
        try:
            if self._took("NOT"):
                return Logic("NOT", (self._one(),))
            if self._took("("):
                inside = self._either()
                self._word(")")
                return inside
            return self._test()
        finally:
            self.depth -= 1

    def _test(self) -> Test:
        field, at = self._name("a field")
        if self._took("LIKE"):
            return Test(field, "LIKE", self._value(), at)
        if self._took("IN"):
            return Test(field, "IN", self._values(), at)
        if self._peek_word() == "NOT" and self._peek_word(1) == "IN":
            self.i += 2
            return Test(field, "NOT IN", self._values(), at)
        for sign, operator in _SIGNS.items():
            if self._took(sign):
                return Test(field, operator, self._value(), at)
        raise malformed(self.text, self._at(), f"unexpected token: '{self._here()}'")

    def _values(self) -> tuple[Value, ...]:
        self._word("(")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._word(")")
        return tuple(values)

    def _value(self) -> Value:
        if self.i >= len(self.tokens):
            raise malformed(self.text, len(self.text), "unexpected token: '<EOF>'")
        kind, word, at = self.tokens[self.i]
        self.i += 1
        match kind:
            case "string":
                if len(word) > _LITERAL_MAX + 2:
                    raise malformed(self.text, at, "the string literal is longer than 4000 characters")
                return _unquoted(self.text, word, at)
            case "number":
                return float(word) if re.search(r"[.eE]", word) else int(word)
            case "datetime":
                return Stamp(utc(word))
            case "date":
                return Day(word)
        match word.lower():
            case "null":
                return None
            case "true":
                return True
            case "false":
                return False
        raise malformed(self.text, at, f"unexpected token: '{word}'")

    def _whole(self) -> int:
        value = self._value()
        if not isinstance(value, int) or value < 0:
            raise malformed(self.text, self._at(), "a whole number was expected")
        return value

    def _name(self, what: str) -> tuple[str, int]:
        if self.i < len(self.tokens) and self.tokens[self.i][0] == "name":
            _, word, at = self.tokens[self.i]
            if word.upper() not in _RESERVED:
                self.i += 1
                return word, at
        raise malformed(self.text, self._at(), f"unexpected token: '{self._here()}' ({what} was expected)")

    def _took(self, word: str) -> bool:
        if self.i < len(self.tokens) and self.tokens[self.i][1].upper() == word and self.tokens[self.i][0] != "string":
            self.i += 1
            return True
        return False

    def _word(self, word: str) -> None:
        if not self._took(word):
            raise malformed(self.text, self._at(), f"unexpected token: '{self._here()}' (expecting '{word}')")

    def _peek_word(self, ahead: int = 0) -> str:
        i = self.i + ahead
        return self.tokens[i][1].upper() if i < len(self.tokens) and self.tokens[i][0] == "name" else ""

    def _sign_at(self, ahead: int, sign: str) -> bool:
        i = self.i + ahead
        return i < len(self.tokens) and self.tokens[i][1] == sign

    def _at(self) -> int:
        return self.tokens[self.i][2] if self.i < len(self.tokens) else len(self.text)

    def _here(self) -> str:
        return self.tokens[self.i][1] if self.i < len(self.tokens) else "<EOF>"


_SIGNS: dict[str, Operator] = {"=": "=", "!=": "!=", "<>": "!=", "<=": "<=", ">=": ">=", "<": "<", ">": ">"}
_RESERVED = frozenset(
    ("SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "OFFSET", "GROUP", "HAVING")
)


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.end() > end:
            raise malformed(text, at, f"unexpected character: '{text[at : at + 1]}'")
        kind = match.lastgroup or "sign"
        found.append((kind, match.group(kind), match.start(kind)))
        at = match.end()
    return found


def _unquoted(text: str, word: str, at: int) -> str:
    r"""The string of a literal. `\_` and `\%` keep their backslash: LIKE still has to see it."""
    body = word[1:-1]
    if "\\" not in body:
        return body

    def unescape(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPES:
            raise malformed(text, at, f"Illegal string literal: '\\{match.group(1)}' is not an escape")
        return _ESCAPES[match.group(1)]

    return re.sub(r"\\(.)", unescape, body, flags=re.DOTALL)


def utc(text: str) -> str:
    """`2026-11-20T09:15:30+01:00` as Salesforce stores and shows it: `2026-11-20T08:15:30.000+0000`."""
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
