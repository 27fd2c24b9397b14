"""What two records have in common, and in what they differ: one yes or no for each named reason.

Each role is compared to one level; a role that one of both lacks says nothing. Levels are mutually exclusive within a
role, so their weights add up and each can be shown to a reviewer as a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

from prm_sync.rules.identity.reasons import NAMES
from prm_sync.rules.identity.rows import Rows

Flags: TypeAlias = npt.NDArray[np.bool_]
Pairs: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

Near: TypeAlias = Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[np.bool_]]
NEAR = 0.75  #: share of signs that stay, for two words to be nearly the same
BEGINS_ALIKE = 0.92  #: Jaro-Winkler, for words that begin alike and then differ

def features(a: Rows, b: Rows) -> npt.NDArray[np.uint8]:
    """Row k: the reasons that hold between record k of `a` and record k of `b`; symmetric in both."""
    seen = _Comparison(a, b)
    found = seen.levels()
    none = np.zeros(len(a), bool)
    return np.stack([found.get(name, none) for name in NAMES], axis=1).astype(np.uint8)


def taken(rows: Rows, at: npt.NDArray[np.int64]) -> Rows:
    return Rows({k: v[at] for k, v in rows.text.items()}, {k: v[at] for k, v in rows.code.items()})


class _Comparison:
    """Two lists of records, side by side."""

    def __init__(self, a: Rows, b: Rows) -> None:
        self.a, self.b, self.n = a, b, len(a)

    def levels(self) -> dict[str, Flags]:
        found: dict[str, Flags] = self._names()
        for more in (self._mail, self._phones, self._company, self._address):
            found |= more()
        for role in ("birth", "number"):
            same, near, other = self._graded(role, _one_sign)
            found |= {f"{role}_same": same, f"{role}_near": near, f"{role}_other": other}
        return found | self._together(found)

    # --- small questions ---

    def _both(self, part: str, other: str | None = None) -> Flags:
        other = other or part
        if part not in self.a.code or other not in self.b.code:
            return np.zeros(self.n, bool)
        both: Flags = (self.a.code[part] != 0) & (self.b.code[other] != 0)
        return both

    def _same(self, part: str, other: str | None = None) -> Flags:
        other = other or part
        if part not in self.a.code or other not in self.b.code:
            return np.zeros(self.n, bool)
        same: Flags = (self.a.code[part] == self.b.code[other]) & (self.a.code[part] != 0)
        return same

    def _near(self, ask: Flags, near: Near, part: str, other: str | None = None) -> Flags:
        """`near` of the texts where it is asked; False elsewhere."""
        answer = np.zeros(self.n, bool)
        at = np.flatnonzero(ask)
        if len(at):
            answer[at] = near(self.a.text[part][at], self.b.text[other or part][at])
        return answer

    def _graded(self, part: str, near: Near) -> tuple[Flags, Flags, Flags]:
        """(same, near, other) of a part that both have."""
        both, same = self._both(part), self._same(part)
        close = self._near(both & ~same, near, part)
        return same, close, both & ~same & ~close

    # --- roles ---

    def _names(self) -> dict[str, Flags]:
        family, given = self._name("family"), self._name("given")
        straight = (family["same"] | family["sounds"] | family["near"]) & ~given["other"]
        crossed = (
            ~straight & self._alike("family", "given") & self._alike("given", "family")
        )  # fmt: skip
        short = ~given["same"] & ~crossed & self._both("given") & self._short_form()
        given["near"] |= given.pop("sounds")
        given = {level: flags & ~short for level, flags in given.items()} | {"short": short}
        found = {f"family_{k}": v & ~crossed for k, v in family.items()}
        return found | {f"given_{k}": v & ~crossed for k, v in given.items()} | {"names_swapped": crossed}

    def _name(self, part: str) -> dict[str, Flags]:
        both, same = self._both(part), self._same(part)
        sounds = both & ~same & self._same(f"{part}_sound")
        near = self._near(both & ~same & ~sounds, _nearly, part)
        left = both & ~same & ~sounds & ~near
        script = left & (self._is_han(self.a, part) != self._is_han(self.b, part))
        return {"same": same, "sounds": sounds, "near": near, "script": script, "other": left & ~script}

    def _alike(self, part: str, other: str) -> Flags:
        """One's `part` is the other's `other` name, perhaps misspelled."""
        same = self._same(part, other) | self._same(f"{part}_sound", f"{other}_sound")
        return same | self._near(self._both(part, other) & ~same, _nearly, part, other)

    def _short_form(self) -> Flags:
        short = self._same("given_root")
        rest = np.flatnonzero(self._both("given") & ~short & ~self._same("given"))
        x, y = self.a.text["given"][rest], self.b.text["given"][rest]
        short[rest] = [
            p[0] == q[0] and (len(p) == 1 or len(q) == 1 or p.startswith(q) or q.startswith(p))
            for p, q in zip(x, y, strict=True)
        ]
        return short

    @staticmethod
    def _is_han(rows: Rows, part: str) -> Flags:
        if f"{part}_han" not in rows.code:
            return np.zeros(len(rows), bool)
        han: Flags = rows.code[f"{part}_han"] != 0
        return han

    def _mail(self) -> dict[str, Flags]:
        both, same = self._both("mail"), self._same("mail")
        near = self._near(both & ~same, _nearly_mail, "mail")
        person = both & ~same & ~near & self._both("mail_local")
        person &= self._same("mail_local") | self._near(person, _nearly, "mail_local")
        other = both & ~same & ~near & ~person
        return {"mail_same": same, "mail_near": near, "mail_person": person, "mail_other": other}

    def _phones(self) -> dict[str, Flags]:
        mobile, mobile_near, mobile_other = self._graded("mobile", _one_sign)
        phone = self._same("phone")
        crossed = ~phone & ~mobile & (self._same("phone", "mobile") | self._same("mobile", "phone"))
        return {
            "mobile_same": mobile, "mobile_near": mobile_near, "mobile_other": mobile_other & ~crossed,
            "phone_same": phone, "phone_crossed": crossed, "phone_other": self._both("phone") & ~phone & ~crossed,
        }  # fmt: skip

    def _company(self) -> dict[str, Flags]:
        same, near, other = self._graded("company", _nearly)
        parts = ("domain", "mail_domain")
        domain = np.any([self._same(x, y) for x in parts for y in parts], axis=0)
        both = np.any([self._both(x, y) for x in parts for y in parts], axis=0)
        return {
            "company_same": same, "company_near": near, "company_other": other,
            "domain_same": domain, "domain_other": both & ~domain,
        }  # fmt: skip

    def _address(self) -> dict[str, Flags]:
        street, street_near, street_other = self._graded("street", _nearly)
        place, place_near, place_other = self._graded("postal_code", _one_sign)
        town = self._same("city") | self._near(self._both("city") & ~self._same("city") & ~place, _nearly, "city")
        no_code = ~self._both("postal_code")
        return {
            "street_same": street, "street_near": street_near, "street_other": street_other,
            "place_same": place, "place_near": ~place & (place_near | town),
            "place_other": ~place_near & ~town & (place_other | (no_code & self._both("city"))),
        }  # fmt: skip

    @staticmethod
    def _together(found: dict[str, Flags]) -> dict[str, Flags]:
        """What only several roles together say: their weights alone would count one cause twice."""
        family = found["family_same"] | found["family_sounds"] | found["family_near"]
        given = found["given_same"] | found["given_near"] | found["given_short"]
        name = (family & given) | found["names_swapped"]
        contact = found["mail_same"] | found["mail_near"] | found["mobile_same"]
        work = found["company_same"] | found["company_near"] | found["domain_same"]
        home = found["street_same"] | found["street_near"] | found["place_same"]
        own = found["mail_same"] | found["mobile_same"]
        own |= found["birth_same"] | found["birth_near"] | found["number_same"] | found["number_near"]
        return {
            "names_alike": name, "names_differ": found["family_other"] & found["given_other"],
            "contact_agrees": name & contact, "work_agrees": name & work, "home_agrees": name & home,
            "only_work": (found["family_other"] | found["given_other"]) & (work | home) & ~own,
        }  # fmt: skip


def _nearly(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Flags:
    """A slip or two of the pen (also two signs exchanged), or one with the other at its beginning."""
    a, b = x.tolist(), y.tolist()
    slips: npt.NDArray[np.float32] = process.cpdist(a, b, scorer=OSA.normalized_similarity, dtype=np.float32)
    begin: npt.NDArray[np.float32] = process.cpdist(a, b, scorer=JaroWinkler.similarity, dtype=np.float32)
    return (slips >= NEAR) | (begin >= BEGINS_ALIKE)


def _nearly_mail(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Flags:
    return _distance(x, y) <= 2


def _one_sign(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Flags:
    return _distance(x, y) <= 1


def _distance(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    out: npt.NDArray[np.int32] = process.cpdist(
        x.tolist(), y.tolist(), scorer=OSA.distance, score_cutoff=2, dtype=np.int32
    )
    return out
