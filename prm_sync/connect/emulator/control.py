"""Driving an emulator that runs in another process, over its control routes."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from prm_sync.connect.emulator.app import CONTROL
from prm_sync.connect.emulator.faults import Fault


class Control:
    """The far hand on an emulator at `url`. Raises httpx.HTTPStatusError for what the emulator refuses."""

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        self._client = httpx.Client(base_url=url + CONTROL, timeout=timeout_s, trust_env=False)

    def fault(self, *faults: Fault) -> None:
        self._post("faults", [msgspec.to_builtins(fault) for fault in faults])

    def clear_faults(self) -> None:
        self._client.delete("faults").raise_for_status()

    def clock(self, **wanted: Any) -> str:
        """`advance_s`, `hold`, `skew_s`; the emulator's time, ISO 8601."""
        return str(self._post("clock", wanted)["now"])

    def calls(self) -> dict[str, Any]:
        """`{"total": n, "counts": [{method, route, count}], "writes": [{method, path, route, query, status, body}]}`"""
        return dict(self._get("calls"))

    def do(self, action: str, **arguments: Any) -> Any:
        """The result of one of the emulator's actions."""
        return self._post(f"do/{action}", arguments)["result"]

    def reset(self) -> None:
        self._post("reset", {})

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        return dict(self._get("snapshot"))

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()

    def _post(self, path: str, body: Any) -> Any:
        return self._client.post(path, json=body).raise_for_status().json()
