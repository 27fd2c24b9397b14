"""What a connector is: the one module of prm_sync that a connector must know.

A connector is declared as data (`Connector`), opened as a context manager (`Session`), and asked four things:
who are we (`check`), what is there (`discover`), give me pages (`read`), take these changes (`write`).
Two more abilities are optional, each a Protocol of one method: `Settles` (jobs) and `Fetches` (records by id).
The engine asks what a session *can*, never which vendor it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from prm_sync.errors import (
    ConnectorError,
    ContractBroken,
    CursorExpired,
    Misconfigured,
    QuotaSpent,
    RateLimited,
    Unavailable,
)

__all__ = [
    "Budget",
    "Change",
    "Connector",
    "ConnectorError",
    "Context",
    "ContractBroken",
    "Cursor",
    "CursorExpired",
    "Deletes",
    "Done",
    "Fetches",
    "Field",
    "FieldKind",
    "Json",
    "Later",
    "Limit",
    "Misconfigured",
    "Outcome",
    "Page",
    "QuotaSpent",
    "RateLimited",
    "Record",
    "Refused",
    "Session",
    "Settles",
    "Stream",
    "Tenant",
    "Unavailable",
]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Record: TypeAlias = Mapping[str, Any]
"""One record exactly as the remote system wrote it: its own field names, its own JSON values."""
Cursor: TypeAlias = Mapping[str, Any]
"""A position in a stream. The connector writes and reads it; the engine only stores it (as JSON, at most 4 KiB)."""


# --- what is there -----------------------------------------------------------------------------------------------


class Deletes(StrEnum):
    """How a stream tells that a record is gone."""

    NEVER = "never"  #: it does not; ask by `Fetches` or live with it
    MARKED = "marked"  #: pages carry the ids in `Page.deleted`
    BY_ABSENCE = "by_absence"  #: what a complete read no longer shows is gone


FieldKind: TypeAlias = Literal[
    "text", "number", "integer", "boolean", "date", "datetime", "choice", "reference", "list", "object"
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a stream, in the remote's own name."""

    name: str
    type: FieldKind
    writable: bool = False
    choices: tuple[str, ...] = ()
    label: str = ""
    length: int | None = None  #: most characters of a text, where the remote says so
    required: bool = False  #: a record cannot be made without it
    guessed: bool = False  #: the type was told by looking at values: another one is no change of the stream


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record of the remote system, and what can be done with it."""

    name: str
    key: str  #: the field that holds the remote id
    fields: tuple[Field, ...]
    modified: str | None = None  #: the field that holds the time of the last change, where there is one
    incremental: bool = False
    deletes: Deletes = Deletes.NEVER
    match_on: tuple[str, ...] = ()  #: fields that an upsert may match on, besides the remote id
    write_batch: int = 0  #: most changes in one call of `write`; 0: this stream is read only


# --- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and where to go on once they are safe.

    `cursor` is None where stopping after this page would lose something (an unsorted listing, say): the engine then
    stages the page and keeps the cursor it had. `total` is how many records this read will give, where the remote says.
    `merged`: of the ids in `deleted`, those whose record lives on in another one: id -> id of the record that is left.
    """

    records: Sequence[Record]
    deleted: Sequence[str] = ()
    cursor: Cursor | None = None
    total: int | None = None
    merged: Mapping[str, str] = field(default_factory=dict)


# --- writing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to be made so in the remote system. The same `token` twice must have the effect of once.

    `values` holds only the fields to set; None clears a field. `remote_id` is known from an earlier `Done` or a pulled
    record; without it `match` is (field, value), the field one of `Stream.match_on`: the remote is searched first and
    the record made only where it is not there.
    """

    op: Literal["upsert", "delete"]
    token: str
    values: Record
    remote_id: str | None = None
    match: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    remote_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The remote refused this one change. `retry` is True only where the same change may pass later (a lock, say)."""

    code: str
    message: str  #: the remote's words without the record's values
    field: str | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Accepted as part of a job (bulk APIs). Ask `Settles.settle(ticket)` again in `after_s` seconds."""

    ticket: Cursor
    after_s: float


Outcome: TypeAlias = Done | Refused | Later


# --- the connector -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who the credentials are, as the remote says: shown to people, and compared between runs (a swapped org!)."""

    id: str
    name: str
    sandbox: bool
    missing_scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """`permits` calls per `per_s` seconds, of which prm_sync may use `share` (others use the same quota).

    Of our share of a long window (an hour or more), reading leaves the part `reserve` to writing back.
    """

    name: str
    permits: int
    per_s: float
    share: float = 1.0
    reserve: float = 0.1


class Budget(Protocol):
    """The calls that a connection may still make. Shared by all processes that use the connection."""

    def take(self, *limits: str, cost: int = 1) -> None:
        """Wait for a permit of each limit. Raises QuotaSpent where the wait would be longer than is sensible."""

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        """Correct the count by what a response's headers say."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the engine lends to a session."""

    connection: str  #: the connection's name, for messages
    budget: Budget
    log: logging.Logger
    save_secret: Callable[[str, str], None]  #: a rotated refresh token is stored here, at once
    transport: Any = None  #: an httpx.BaseTransport to use instead of the network (tests)


class Session(Protocol):
    """One open connection to a remote system."""

    def check(self) -> Tenant:
        """Who are we? Raises Misconfigured where the credentials or scopes do not do."""

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        """The streams named in `only`; None: those that this connector reads by default."""

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        """Pages after `cursor`; None: all there is. At least once: a record may come twice, none may be left out."""

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        """One outcome for each change, in their order. Raises only where nothing at all is known about all of them."""


@runtime_checkable
class Settles(Protocol):
    """A session whose writes may become jobs."""

    def settle(self, stream: Stream, ticket: Cursor) -> Sequence[Outcome]:
        """The outcomes of a job, in the order in which its changes were given; all `Later` while it runs.

        Raises CursorExpired where the remote knows nothing of the job any more: its changes are then looked up.
        """


@runtime_checkable
class Fetches(Protocol):
    """A session that can look at single records: what an unknown write is settled by."""

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        """The records whose field `by` (the key, or one of `match_on`) has these values, in their order; None: gone."""


@dataclass(frozen=True, slots=True)
class Connector:
    """The declaration that the entry point names. Reading it opens nothing and imports no client library."""

    name: str  #: "hubspot": lower case, also the mappings' folder
    title: str
    kind: Literal["crm", "prm", "files"]
    config: type[Any]  #: a pydantic model; its JSON schema is the settings form, its SecretStr fields are the secrets
    open: Callable[[Any, Context], AbstractContextManager[Session]]
    limits: tuple[Limit, ...] = ()
    emulator: str | None = None  #: "package.module:EMULATOR", the emulator beside the connector
