"""Records as the remote's bytes, decoded where somebody looks at them: it may be in another process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

from prm_sync.connect.protocol import Record


class Undecoded(Sequence[Record]):
    """The records of a page, for `Page.records`.

    `decode` makes `count` records of `content`; it is a function of a module (or a partial of one), so that it can be
    sent to another process. What it raises is raised where the records are looked at.
    """

    def __init__(self, content: bytes, decode: Callable[[bytes], list[dict[str, Any]]], count: int) -> None:
        self.content, self.decode, self._count = content, decode, count

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        return self.decode(self.content)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._records[index]
