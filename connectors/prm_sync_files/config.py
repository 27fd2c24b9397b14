"""The settings of a files connection."""

from __future__ import annotations

import codecs
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from prm_sync_files.names import RESERVED, clean

Language = Literal["ar", "de", "en", "es", "fa", "fr", "vi", "zh"]

LEGACY: dict[Language, tuple[str, ...]] = {
    "ar": ("cp1256",),
    "de": ("cp1252",),
    "en": ("cp1252",),
    "es": ("cp1252",),
    "fa": ("cp1256",),
    "fr": ("cp1252",),
    "vi": ("cp1258",),
    "zh": ("gb18030", "big5"),
}
"""What Excel's plain "CSV" is written in on a PC of that language. GB18030 holds all of GBK and GB2312."""

_STREAM = re.compile(r"\w+")


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Keys = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_one_or_many)]


class StreamConfig(BaseModel):
    """One stream, where the name of the file does not say it all. What is not set is taken from the connection."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    file: str = Field(description="File name or pattern in the folder, such as leads_*.csv; several are read by name")
    sheet: str | None = Field(default=None, description="Sheet of the workbook; default: its only sheet")
    key: Keys | None = Field(default=None, description="Column, or columns, that tell one row from another")
    header_row: int = Field(default=1, ge=1, le=1000, description="Row that holds the column names, from 1")
    snapshot: bool | None = Field(default=None, description="Each file is complete: what it no longer holds is gone")
    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None

    @field_validator("file")
    @classmethod
    def _inside_the_folder(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not value.strip():
            raise ValueError("a file name or pattern inside the folder, such as leads_*.csv")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        return value if value in (None, "auto") else known_encoding(value)

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        return value if value in (None, "auto") else known_delimiter(value)


class WriteConfig(BaseModel):
    """One stream that is written: the table `<stream>.csv`, made with these columns where it is not there yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: str = Field(description="Column with our own id of a row, by which a row is found again")
    columns: tuple[str, ...] = Field(
        min_length=2, description="Columns that we write, in their order in a new file; people may add others"
    )
    guard: bool = Field(
        default=True,
        description="An apostrophe before texts that a spreadsheet would take for a formula (= + - @); reading removes "
        "it. false: only programs read the file",
    )

    @field_validator("columns")
    @classmethod
    def _names_that_come_back(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name in RESERVED or name != clean(name) or not name:
                raise ValueError(f"{name!r} cannot name a column: trimmed, without marks, and not a name of prm-sync's")
        if len(set(value)) < len(value):
            raise ValueError("a column stands there twice")
        return value

    @model_validator(mode="after")
    def _key_is_a_column(self) -> WriteConfig:
        if self.key not in self.columns:
            raise ValueError(f"key names {self.key!r}, which is not among the columns")
        return self

    def read_as(self, file: str) -> StreamConfig:
        """How the table is read: as whoever saved it last has written it. It holds all there is of the stream."""
        return StreamConfig(file=file, key=(self.key,), snapshot=True, encoding="auto", delimiter="auto", decimal=".")


class FilesConfig(BaseModel):
    """A folder, and how the files in it are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    folder: Path = Field(description="Folder that holds the files")
    encoding: str = Field(default="auto", description="auto: UTF-8 or UTF-16 by its mark, then what `language` says")
    language: Language | None = Field(default=None, description="Language of the PC that wrote what is not UTF-8")
    delimiter: str = Field(default="auto", description="auto, or the character between two cells")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal mark of numbers in text files")
    key: Keys | None = Field(default=None, description="Column, or columns, that tell one row from another")
    snapshot: bool = Field(default=False, description="Each file is complete: what it no longer holds is gone")
    streams: dict[str, StreamConfig] = Field(default_factory=dict, description="Streams by name; default: one a file")
    writes: dict[str, WriteConfig] = Field(
        default_factory=dict, description="Streams that prm-sync writes, each to <stream>.csv in the folder"
    )
    max_rows: int = Field(default=2_000_000, ge=1, description="More rows than this in one file are refused")
    page_rows: int = Field(default=2_000, ge=1, le=50_000, description="Rows handed over at once")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        return value if value == "auto" else known_encoding(value)

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        return value if value == "auto" else known_delimiter(value)

    @model_validator(mode="after")
    def _written_streams_are_files(self) -> FilesConfig:
        for name in self.writes:
            if not _STREAM.fullmatch(name):
                raise ValueError(f"writes: {name!r} cannot name a file; use letters, digits and _")
            if name in self.streams:
                raise ValueError(f"{name!r} stands under both `streams` and `writes`; a written stream is <name>.csv")
        return self


def known_encoding(value: str) -> str:
    """Python's name of the encoding. Raises ValueError where Python has none (VISCII and TCVN, for example)."""
    try:
        name = codecs.lookup(value).name
    except LookupError:
        raise ValueError(
            f"no such encoding: {value!r}; use utf-8, utf-16, cp1252, cp1256, cp1258, gb18030, big5 or another name "
            "that Python knows, or save the file as UTF-8"
        ) from None
    return "gb18030" if name in ("gbk", "gb2312") else name


def known_delimiter(value: str) -> str:
    value = {"tab": "\t", "\\t": "\t"}.get(value, value)
    if len(value) != 1 or value in '"\r\n':
        raise ValueError("one character, such as ',' ';' '|' or tab")
    return value
