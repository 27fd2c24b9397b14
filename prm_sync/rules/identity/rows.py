"""Records as columns ready for comparing: each value in one spelling, beside it a number that is equal for equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prm_sync.rules.identity import spelling

Texts: TypeAlias = npt.NDArray[np.object_]
Codes: TypeAlias = npt.NDArray[np.uint64]

_HAN = ("\u3400", "\u9fff")  #: the signs whose reading depends on the language


@dataclass(frozen=True, slots=True)
class Rows:
    """n records. `text[part]` holds strings ("" = absent), `code[part]` their numbers (0 = absent)."""

    text: dict[str, Texts]
    code: dict[str, Codes]

    def __len__(self) -> int:
        return len(next(iter(self.code.values()), ()))

    def __add__(self, more: Rows) -> Rows:
        return Rows(
            {k: np.concatenate((v, more.text[k])) for k, v in self.text.items()},
            {k: np.concatenate((v, more.code[k])) for k, v in self.code.items()},
        )


def rows(columns: Mapping[str, Iterable[Any]], roles: Mapping[str, str]) -> Rows:
    """Columns of canonical values, as the roles of a policy read them (role -> name of a column)."""
    made = Rows({}, {})
    for role, column in roles.items():
        at, different = _factored(columns[column])
        for part, (spell, with_text) in derived(role).items():
            texts = ["", *map(spell, different)]
            numbers = [spelling.number(text) if text else 0 for text in texts]
            made.code[part] = np.array(numbers, np.uint64)[at]
            if with_text:
                spelled = np.empty(len(texts), dtype=object)
                spelled[:] = texts
                made.text[part] = spelled[at]
    return made


def derived(role: str) -> dict[str, tuple[Callable[[str], str], bool]]:
    """The parts made of one role: how each is spelled, and whether its text is compared or its number only."""
    if role in ("given", "family"):
        parts = {role: (spelling.latin, True), f"{role}_sound": (_sounded, False), f"{role}_han": (_han, False)}
        return parts | {"given_root": (_rooted, False)} if role == "given" else parts
    if role == "mail":
        return {
            "mail": (str.lower, True), "mail_local": (spelling.mail_local, True), "mail_domain": (_employer, False),
        }  # fmt: skip
    if role == "company":
        return {"company": (spelling.company_core, True)}
    if role == "domain":
        return {"domain": (str.lower, False)}
    if role in ("mobile", "phone", "birth"):
        return {role: (_digits, True)}
    return {role: (spelling.latin, True)}


def _factored(values: Iterable[Any]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Which of the different values each one is, counted from 1 (0: absent), and these values: each is spelled once."""
    known: dict[Any, int] = {None: 0, "": 0}
    at = np.fromiter((known.setdefault(v, len(known) - 1) for v in values), np.int32)
    return at, [v if type(v) is str else str(v) for v in known][2:]


def _digits(value: str) -> str:
    bare = value.removeprefix("+")
    return bare if bare.isascii() and bare.isdecimal() else "".join(filter(str.isdecimal, value))


def _sounded(name: str) -> str:
    return spelling.sound(spelling.latin(name))


def _rooted(name: str) -> str:
    return spelling.root_name(spelling.latin(name))


def _han(name: str) -> str:
    return "han" if any(_HAN[0] <= sign <= _HAN[1] for sign in name) else ""


def _employer(address: str) -> str:
    domain = address.partition("@")[2].lower()
    return "" if domain in spelling.FREE_MAIL else domain
