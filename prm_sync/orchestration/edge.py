"""The edge between flows and Dagster: the opened app as a resource, errors as headlines, reports as metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeAlias

import dagster as dg
from sqlalchemy.exc import DBAPIError

from prm_sync.app import App
from prm_sync.errors import (
    ConfigError,
    ContractBroken,
    CursorExpired,
    FencedOff,
    Misconfigured,
    PrmSyncError,
    Unavailable,
    WarehouseError,
)
from prm_sync.flows.report import FlowReport, State

Opener: TypeAlias = Callable[[], AbstractContextManager[App]]
Shown: TypeAlias = dg.MarkdownMetadataValue | str | int | float  #: what a check's metadata is made of

UNAVAILABLE = "unavailable"  #: class of a failure that the rest of a sync need not wait for
_CLASSES: tuple[tuple[type[PrmSyncError], str, str], ...] = (
    (Misconfigured, "misconfigured", "A person must act: credentials, scopes or settings of the connection."),
    (ConfigError, "config", "Mend the file or variable that is named, then run again."),
    (WarehouseError, "warehouse", "See to the database, then run again."),
    (FencedOff, "fenced", "Nothing to do: another run has taken this stream over."),
    (ContractBroken, "contract", "A bug of the connector, or the remote changed: what is committed is kept."),
    (CursorExpired, UNAVAILABLE, "Run again: the stream is then read in full."),
    (Unavailable, UNAVAILABLE, "Nothing to do if it happens once: the next run goes on where this one stopped."),
)


class OpenOnce:
    """The app of one run, opened by the first step that asks for it, closed with the run."""

    def __init__(self, opener: Opener) -> None:
        self._opener, self._stack = opener, ExitStack()
        self._app: App | None = None

    @property
    def app(self) -> App:
        if self._app is None:
            self._app = self._stack.enter_context(self._opener())
        return self._app

    def close(self) -> None:
        self._stack.close()


def app_resource(opener: Opener) -> dg.ResourceDefinition:
    """Opened within a step, not with the run: an error of opening is then the step's headline."""

    @dg.resource(description="The warehouse, the mappings and the connections of prm_sync.yaml")
    def app(_context: dg.InitResourceContext) -> Iterator[OpenOnce]:
        once = OpenOnce(opener)
        try:
            yield once
        finally:
            once.close()

    return app


@contextmanager
def headlines(subject: str) -> Iterator[None]:
    """Errors that prm-sync raises on purpose become Failures whose text says what happened and what to do.

    Nothing is retried by Dagster: connectors have retried already, and a Failure with retries would swallow Terminate.
    """
    try:
        yield
    except PrmSyncError as error:
        _, name, advice = next((c for c in _CLASSES if isinstance(error, c[0])), (PrmSyncError, "other", ""))
        raise dg.Failure(
            description=_with_subject(subject, str(error)),
            metadata={"class": name, "what to do": advice},
            allow_retries=False,
        ) from error
    except DBAPIError as error:  # its own text holds the statement's values, and so does that of its cause
        raise dg.Failure(
            description=_with_subject(subject, _database_words(error)),
            metadata={"class": "database", "what to do": "See to the database if it was away; else it is a bug."},
            allow_retries=False,
        ) from None


def _database_words(error: DBAPIError) -> str:
    """What the database complained of, without any value: error class, SQLSTATE, table, column, constraint."""
    diag = getattr(error.orig, "diag", None)
    names = ("sqlstate", "schema_name", "table_name", "column_name", "constraint_name")
    told = [f"{name}={value}" for name in names if (value := getattr(diag, name, None))]
    return f"the database refused: {type(error.orig).__name__} {' '.join(told)}".rstrip()


def settled(subject: str, report: FlowReport) -> FlowReport:
    """The report, or a Failure where the flow ended as failed."""
    if report.state is State.FAILED:
        raise dg.Failure(
            description=_with_subject(subject, report.message or "failed"),
            metadata={"class": "failed"},
            allow_retries=False,
        )
    return report


def _with_subject(subject: str, message: str) -> str:
    """Connectors begin with the connection's name: "crm.Lead: ..." says that already."""
    if message.startswith(subject):
        return message
    return f"{subject}: {message.removeprefix(subject.partition('.')[0] + ': ')}"


def numbers(report: FlowReport) -> dict[str, dg.MetadataValue]:
    """A report's counts and state as metadata; Dagster plots the numbers by itself."""
    out: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(n) for name, n in report.counts().items()}
    out["state"] = dg.MetadataValue.text(report.state.value)
    if report.message:
        out["message"] = dg.MetadataValue.text(report.message)
    out["work_s"] = dg.MetadataValue.float(round(report.work_s, 3))
    return out


def sql(statement: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"```sql\n{statement}\n```")


def command(words: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"`{words}`")


def check(
    name: str, key: dg.AssetKey, passed: bool, metadata: Mapping[str, Shown], *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN, description: str | None = None,
) -> dg.AssetCheckResult:  # fmt: skip
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=key,
        check_name=name,
        severity=severity,
        metadata=dict(metadata),
        description=description,
    )
