"""Records as bytes: decoded when somebody looks, once, and never to count them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from prm_sync.connect import Undecoded


def test_they_are_decoded_once_and_not_to_be_counted() -> None:
    decoded: list[bytes] = []

    def decode(content: bytes) -> list[dict[str, Any]]:
        decoded.append(content)
        found: list[dict[str, Any]] = msgspec.json.decode(content)
        return found

    records = Undecoded(b'[{"Id": 1}, {"Id": 2}, {"Id": 3}]', decode, 3)
    assert len(records) == 3
    assert decoded == []
    assert [r["Id"] for r in records] == [1, 2, 3]
    assert records[-1] == {"Id": 3}
    assert records[:2] == [{"Id": 1}, {"Id": 2}]
    assert len(decoded) == 1


def test_what_the_decoder_raises_is_raised_where_they_are_looked_at() -> None:
    records = Undecoded(b"{", msgspec.json.decode, 1)
    with pytest.raises(msgspec.DecodeError):
        list(records)
