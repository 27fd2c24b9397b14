"""`fold`: the form of a text in which two spellings of the same word are equal."""

from __future__ import annotations

import unicodedata

_LETTERS = {
    0x064A: "ی",  # Arabic yeh -> Farsi yeh
    0x0649: "ی",  # alef maksura: how Egypt and Sudan write a final yeh
    0x0643: "ک",  # Arabic kaf -> keheh
    0x0640: None,  # tatweel, only stretches a word
}
_MARKS = (range(0x0610, 0x061B), range(0x064B, 0x0660), (0x0670,), range(0x06D6, 0x06DD), range(0x06DF, 0x06E9))
_UNSEEN = (
    0x00AD,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2065),
    *range(0x2066, 0x206A),
    0xFEFF,
)


def _table() -> dict[int, str | None]:
    """Letters, vowel marks and characters without a shape, and the digits of Arabic, Persian and every other script."""
    table: dict[int, str | None] = {c: None for marks in _MARKS for c in marks if unicodedata.combining(chr(c))}
    table |= dict.fromkeys(_UNSEEN, None)
    table |= {
        c: str(unicodedata.decimal(chr(c)))
        for c in range(0x0660, 0x1_0000)
        if unicodedata.category(chr(c)) == "Nd" and not unicodedata.normalize("NFKC", chr(c)).isascii()
    }
    return table | _LETTERS


_FOLDED = _table()


def fold(text: str) -> str:
    """NFKC, case-folded, spaces collapsed, Arabic and Persian spellings made one, digits of all scripts made 0-9.

    Latin accents stay: 'Nguyễn' is not 'Nguyen', 'Đ' is not 'D'. Invisible characters and Arabic vowel marks go.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_FOLDED)
    return " ".join(unicodedata.normalize("NFKC", folded).split())
