"""Fetching ahead: in order, never too far, and never after it was left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from prm_sync.connect import ahead


def test_items_come_in_order_and_an_error_where_its_item_would_have_come() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(ahead(source()))
    assert seen == [0, 1, 2, 3, 4]


def test_no_more_than_so_many_wait() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    with closing(ahead(source(), depth=3)) as items:
        next(items)
        until = time.monotonic() + 20
        while len(made) < 4 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        assert made == [0, 1, 2, 3]


def test_leaving_waits_for_the_item_that_is_being_made_and_closes_the_source() -> None:
    said, asked = list[str](), threading.Event()

    def source() -> Iterator[int]:
        try:
            yield 1
            asked.set()
            time.sleep(0.2)
            said.append("answered")
            yield 2
        finally:
            said.append("closed")

    with closing(ahead(source())) as items:
        next(items)
        assert asked.wait(20)
    assert said == ["answered", "closed"]
