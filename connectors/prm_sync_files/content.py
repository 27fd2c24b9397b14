"""What a file is, before it is read: its hash, its encoding, and whether it is what its name says."""

from __future__ import annotations

import codecs
import hashlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from prm_sync.connect import ContractBroken, Misconfigured, Unavailable
from prm_sync_files.config import LEGACY, Language

_BLOCK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SCRIPTS: dict[str, tuple[str, ...]] = {
    "cp1256": ("ARABIC", "LATIN"),
    "gb18030": ("CJK", "FULLWIDTH"),
    "big5": ("CJK",),
}
_LATIN = ("LATIN", "FEMININE", "MASCULINE")
_SIGNS = "\xa0°·¿¡–—’“”€№،؛؟\u200c\u200e\u200f\u3000（）：，、／。"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Which content a file had. `mtime_ns` is nanoseconds since 1970."""

    sha256: str
    size: int
    mtime_ns: int


def fingerprint(path: Path) -> Fingerprint:
    """Raises Misconfigured where the file may not be read, Unavailable where it goes away or is being written.

    That another file takes its place meanwhile, as ours do, is no harm: what was opened is whole.
    """
    try:
        with path.open("rb") as f:
            before = os.fstat(f.fileno())
            digest = hashlib.file_digest(f, "sha256").hexdigest()
            after = os.fstat(f.fileno())
    except PermissionError:
        raise Misconfigured(f"{path}: this user may not read the file; correct its permissions") from None
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read ({error.strerror}); it is tried again in the next run") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unavailable(f"{path}: is being written; it is read in the next run")
    return Fingerprint(digest, after.st_size, after.st_mtime_ns)


def refuse_what_it_is_not(path: Path) -> None:
    """Raises ContractBroken where the first bytes belie the name: a web page named .xls, a workbook named .csv ...

    Misconfigured where there are none: whoever emptied the file must look.
    """
    with path.open("rb") as f:
        head = f.read(4096)
    if not head.strip(b"\x00\t\r\n \xef\xbb\xbf\xff\xfe"):
        raise Misconfigured(f"{path.name}: the file is empty; it needs at least a header row")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    book = path.suffix.lower() in (".xlsx", ".xlsm", ".xls")
    zipped, old_book, parquet = head[:2] == b"PK", head[:4] == b"\xd0\xcf\x11\xe0", head[:4] == b"PAR1"
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<meta")):
        raise ContractBroken(f"{path.name}: this is a web page, not a {path.suffix} file; save it as XLSX or CSV UTF-8")
    if book and not (zipped or old_book):
        raise ContractBroken(f"{path.name}: this is not a workbook but perhaps text; save it as XLSX or CSV UTF-8")
    if path.suffix.lower() == ".parquet":
        if not parquet:
            raise ContractBroken(f"{path.name}: this is not a Parquet file")
    elif not book and (zipped or old_book or parquet):
        kind = "Parquet file" if parquet else "workbook"
        raise ContractBroken(f"{path.name}: this is a {kind} with another name; give it its own suffix")


def encoding_of(path: Path, encoding: str, language: Language | None) -> str:
    """The encoding that the whole of the file can be read in.

    `auto`: the mark at its start, then UTF-8, then those that `language` allows; never a guess among all there are,
    which reads Spanish as Hungarian without an error. Raises Misconfigured with what to set.
    """
    if encoding != "auto":
        wanted = "utf-8-sig" if encoding == "utf-8" else encoding
        bad = _first_bad_byte(path, wanted)
        if bad is not None:
            raise Misconfigured(f"{path.name}: byte {bad} is not {encoding}; set `encoding` to what it was saved in")
        return wanted
    with path.open("rb") as f:
        head = f.read(4096)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if b"\x00" in head and marked != "utf-16":
        raise ContractBroken(f"{path.name}: holds bytes that no text has; it is not text, or UTF-16 without its mark")
    bad = _first_bad_byte(path, marked or "utf-8")
    if bad is None:
        return marked or "utf-8"
    for name in LEGACY[language] if language and not marked else ():
        if _first_bad_byte(path, name) is None and _plausible(path, name):
            return name
    tried = f", nor is it {' or '.join(LEGACY[language])} of language: {language}" if language and not marked else ""
    raise Misconfigured(
        f"{path.name}: byte {bad} is not {marked or 'UTF-8'}{tried}; save it as CSV UTF-8, or set `encoding` to what "
        "it was saved in: cp1252 (English, German, French, Spanish), cp1258 (Vietnamese), cp1256 (Arabic, Persian), "
        "gb18030 (Chinese)"
    )


def _first_bad_byte(path: Path, encoding: str) -> int | None:
    decode, at = codecs.getincrementaldecoder(encoding)("strict").decode, 0
    with path.open("rb") as f:
        while True:
            block = f.read(_BLOCK)
            try:
                decode(block, final=not block)
            except UnicodeDecodeError as error:
                return at + error.start
            if not block:
                return None
            at += len(block)


def _plausible(path: Path, encoding: str) -> bool:
    """The header has only letters and signs that the encoding is for: most bytes are *some* character."""
    with path.open("rb") as f:
        text = f.readline(65536).decode(encoding, "ignore")
    for char in text:
        if char.isascii() or char in _SIGNS or unicodedata.combining(char):
            continue
        if not char.isalpha() or not unicodedata.name(char, "").startswith(_SCRIPTS.get(encoding, _LATIN)):
            return False
    return True
