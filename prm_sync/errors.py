"""All errors of prm-sync, in one tree, by what happens next.

    PrmSyncError
    ├── ConfigError             a file or setting is wrong: stop before the first call, exit 2
    ├── WarehouseError          the database cannot be used: stop, nothing was written
    ├── FencedOff               another run took this stream over: stop at once, write nothing more
    └── ConnectorError          the remote system, or the way to it
        ├── Misconfigured       a person must act (credentials, scopes, an empty file): the flow is held, not retried
        ├── Unavailable         retry with backoff, then fail this stream alone
        │   ├── RateLimited     wait `after_s`, then go on where we were
        │   └── QuotaSpent      the day's share is used: end in good order, the next run goes on from the cursor
        ├── CursorExpired       the position is unknown to the remote: drop the cursor, read in full
        └── ContractBroken      the connector or the remote broke the protocol: a bug

Messages say *what, where, what to do*. None ever holds a secret or a value of a record.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class PrmSyncError(Exception):
    """Base of everything that prm-sync raises on purpose. `leaves`: the state in which it leaves a flow."""

    leaves: ClassVar[str] = "failed"

    @property
    def told(self) -> str:
        """The words of a flow that ended with it."""
        return str(self)


class ConfigError(PrmSyncError):
    """A file or setting is wrong. `file` and `line` (from 1) say where, if the mistake stands in a file."""

    def __init__(self, message: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{where}{message}")
        self.file, self.line = file, line


class WarehouseError(PrmSyncError):
    """The database cannot be started, reached or migrated."""


class FencedOff(PrmSyncError):
    """Another run holds this stream now; this one must not write any more."""


class ConnectorError(PrmSyncError):
    """Base of what a connector raises. `status` and `code` are the remote's own words."""

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Misconfigured(ConnectorError):
    """A person must act (credentials, scopes, settings, a source that is empty): alert, do not retry."""

    leaves = "held"

    @property
    def told(self) -> str:
        return f"{self}. Until then nothing is deleted or blanked for it; the next run goes on where this one stopped"


class Unavailable(ConnectorError):
    """The remote or the way to it failed: retry with backoff, then fail this stream alone."""


class RateLimited(Unavailable):
    """Wait `after_s` seconds, then go on where we were."""

    def __init__(self, message: str, *, after_s: float, status: int | None = 429, code: str | None = None) -> None:
        super().__init__(message, status=status, code=code)
        self.after_s = after_s


class QuotaSpent(Unavailable):
    """The day's share is used up: end this run in good order, the next goes on from the cursor."""


class CursorExpired(ConnectorError):
    """The position is too old or unknown to the remote: drop the cursor and read in full."""


class ContractBroken(ConnectorError):
    """The connector or the remote broke the protocol: a bug. Stop the stream, keep what is committed."""
