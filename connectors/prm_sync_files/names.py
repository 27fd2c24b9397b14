"""Names of columns: as people write them, and those that are our own."""

from __future__ import annotations

import unicodedata

ERROR_FIELD = "__error__"  #: the field that says why a row cannot be trusted; the engine quarantines such records
KEY_FIELD = "__key__"  #: the field that holds a key made of several columns
RESERVED = frozenset({ERROR_FIELD, KEY_FIELD})

_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))


def clean(name: str) -> str:
    """As we know a column: trimmed, without invisible marks, in Unicode's composed form."""
    return unicodedata.normalize("NFC", " ".join(name.translate(_INVISIBLE).split()))
