"""What tells one row from another: which columns, and the key that is made of them."""

from __future__ import annotations

import array
import difflib
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prm_sync.connect import Misconfigured
from prm_sync_files.names import KEY_FIELD
from prm_sync_files.table import Row

_ALIKE = str.maketrans("يىكةđ", "ییکهd")

_ID_NAMES = (
    "id", "record id", "external id", "uuid", "guid", "key", "code", "number", "no",
    "lead id", "account id", "contact id", "customer id", "partner id", "opportunity id", "deal id", "target id",
    "lead code", "account code", "customer code", "partner code", "partner key",
    "codigo", "identificador", "kennung", "nummer", "kundennummer", "identifiant", "numero",
    "ma", "ma khach hang", "ma doi tac", "编号", "客户编号", "伙伴编号",
    "الرقم", "رقم العمیل", "رمز", "کد", "کد مشتری", "شناسه",
)  # fmt: skip
"""Headers that name a record's own id, folded, in the order in which they are preferred."""

_IDENTIFYING = {
    "email", "e mail", "email address", "mail", "correo", "correo electronico", "courriel", "e mail adresse",
    "邮箱", "邮件", "البرید الالکترونی", "ایمیل", "thu dien tu",
    "phone", "mobile", "telephone", "telefono", "telefon", "dien thoai", "so dien thoai",
    "电话", "手机", "الهاتف", "تلفن", "موبایل",
    "name", "full name", "first name", "last name", "company", "company name", "nombre", "apellidos", "empresa",
    "razon social", "vorname", "nachname", "firma", "nom", "prenom", "societe", "ten khach hang", "cong ty",
    "客户名称", "姓名", "公司", "الاسم", "الشرکه", "نام", "نام مشتری", "شرکت",
    "partner", "metric", "period", "period start", "period end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """`field` is `Stream.key`; `places` are the columns it is made of; `hashed`: nobody named them."""

    field: str
    places: tuple[int, ...]
    columns: tuple[str, ...]
    hashed: bool = False

    def of(self, cells: Sequence[Any]) -> str:
        """The key of a row; empty where each of its columns is empty or missing."""
        parts = [_text(cells[i]) if i < len(cells) else "" for i in self.places]
        if not any(parts):
            return ""
        if self.hashed:
            folded = "\x1f".join(part.casefold() for part in parts)
            return hashlib.blake2b(folded.encode(), digest_size=12).hexdigest()
        return parts[0] if len(parts) == 1 else "|".join(part.replace("|", "||") for part in parts)


def key_of(path: Path, header: Sequence[str], wanted: Sequence[str] | None) -> Key:
    """The key columns: those that were set, else a column named like an id, else a hash of what identifies a row.

    Only the header decides, never the values: else one new row could give every record another key.
    Raises Misconfigured where a column that was set is not there.
    """
    if wanted:
        for name in wanted:
            if name not in header:
                near = difflib.get_close_matches(name, header, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(header[:20])}"
                raise Misconfigured(f"{path.name}: there is no key column {name!r}{hint}")
        places = tuple(header.index(name) for name in wanted)
        return Key(wanted[0] if len(wanted) == 1 else KEY_FIELD, places, tuple(wanted))
    folded = [fold(name) for name in header]
    for name in _ID_NAMES:
        if name in folded:
            place = folded.index(name)
            return Key(header[place], (place,), (header[place],))
    identifying = tuple(i for i, name in enumerate(folded) if name in _IDENTIFYING) or tuple(range(len(header)))
    return Key(KEY_FIELD, identifying, tuple(header[i] for i in identifying), hashed=True)


def fold(name: str) -> str:
    """A header for comparison: lower case, without marks and punctuation, Arabic letters as Persian ones."""
    text = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold()
    text = (
        "".join(c for c in text if not unicodedata.combining(c)).replace("ي", "ی").replace("ك", "ک").replace("đ", "d")
    )
    return " ".join(re.sub(r"[^\w]+|_", " ", text).split())


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


class Seen:
    """The keys of one file so far: 24 bytes a row and a set of numbers; a dict of texts would be many times that."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._keys, self._rows, self._contents = array.array("q"), array.array("Q"), array.array("q")

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._known

    def repeats(self, key: str, row: Row) -> tuple[int, bool] | None:
        """(the number of the first row with this key, whether the two rows are the same); None: the key is new."""
        number, content = hash(key), hash(repr(row.cells))
        if number in self._known:
            at = self._keys.index(number)
            return self._rows[at], self._contents[at] == content
        self._known.add(number)
        self._keys.append(number)
        self._rows.append(row.number)
        self._contents.append(content)
        return None
