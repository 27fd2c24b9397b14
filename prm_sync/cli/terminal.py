"""What commands say: tables for people, one JSON object for programs on stdout; logs and errors on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 partial or held.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from prm_sync.errors import ConfigError, PrmSyncError, WarehouseError

if TYPE_CHECKING:
    from rich.console import Console

FAILED, WRONG, UNFINISHED = 1, 2, 3
WIDTH = 160  #: columns of a table where nobody says how wide the terminal is
MASK = "•••"  #: stands for a personal value that was not asked for


def _remember(ctx: typer.Context, value: bool) -> bool:
    root = ctx.find_root()
    if isinstance(root.obj, dict):
        root.obj["json"] = value  # an error is then JSON, too
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.", callback=_remember)]
ShowValues = Annotated[
    bool, typer.Option("--show-values", help=f"Show values of personal fields, which are {MASK} otherwise.")
]


def console(*, err: bool = False) -> Console:
    """Stdout (or stderr) as rich sees it now; without a terminal as wide as its tables need."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(stderr=err, width=None if stream.isatty() else WIDTH, soft_wrap=False)


def say(text: str, style: str | None = None) -> None:
    """A line for people."""
    console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def complain(text: str, style: str = "bold red") -> None:
    """A line on stderr."""
    console(err=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False, default=plain) + "\n")
    sys.stdout.flush()


def result(data: object, people: Callable[[], None], *, as_json: bool, code: int = 0) -> None:
    """Say the result in the one form or the other, then leave with this code."""
    if as_json:
        print_json(data)
    else:
        people()
    if code:
        raise typer.Exit(code)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none") -> None:
    """A table for people; what is None stays blank."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    count = 0
    for row in rows:
        made.add_row(*(Text("" if cell is None else shown(cell)) for cell in row))
        count += 1
    if count:
        console().print(made)
    else:
        say(f"{title}: {empty}" if title else empty)


def shown(value: object) -> str:
    """A value in a cell."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return str(value)


def plain(value: object) -> object:
    """What JSON has no form for."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def numbers(counts: Mapping[str, int]) -> str:
    """Counts in words, those that are not zero."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "nothing to do"


# --- errors ------------------------------------------------------------------------------------------------------


def ours(error: BaseException) -> PrmSyncError | None:
    """An error of our tree; one of the database as such, without its statement, which holds values; None: a bug."""
    if isinstance(error, PrmSyncError):
        return error
    database = sys.modules.get("sqlalchemy.exc")
    if database is not None and isinstance(error, database.OperationalError | database.InterfaceError):
        first = str(error.orig).strip().partition("\n")[0]
        return WarehouseError(f"the warehouse cannot be used: {first}; see to the database, then run again")
    if "psycopg" in sys.modules and isinstance(error, sys.modules["psycopg"].OperationalError):
        return WarehouseError(f"the warehouse cannot be reached: {str(error).strip().partition(chr(10))[0]}")
    return None


def words(error: BaseException) -> str:
    """The error in one line; of a bug only its kind, since its text may hold anything."""
    known = ours(error)
    if known is not None:
        return str(known)
    return f"a bug: {type(error).__name__}; `prm-sync --debug ...` shows where, please report it"


def exit_code(error: BaseException) -> int:
    return WRONG if isinstance(error, ConfigError) else FAILED


# --- logs --------------------------------------------------------------------------------------------------------

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Lines(logging.Handler):
    """Log lines `LEVEL logger: event key=value` on stderr, above a progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(BrokenPipeError):
            sys.stderr.write(self.format(record) + "\n")

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {k}={v}" for k, v in vars(record).items() if k not in _OWN)
        text = f"{record.levelname} {record.name}: {record.getMessage()}{extra}"
        return f"{text}\n{logging.Formatter().formatException(record.exc_info)}" if record.exc_info else text


def _is_ours(record: logging.LogRecord) -> bool:
    """Others' chatter may hold addresses and values: only their warnings are let through."""
    return record.name.startswith("prm_sync") or record.levelno >= logging.WARNING


def start_logging(level: str) -> None:
    """Logs go to stderr, from this level on."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Lines)]:
        root.removeHandler(handler)
    handler = _Lines()
    handler.addFilter(_is_ours)
    root.addHandler(handler)
    root.setLevel(level)


def log_level(*, verbose: bool, debug: bool) -> str:
    """Quiet unless asked: by an option, or by PRM_SYNC_LOG_LEVEL."""
    if debug:
        return "DEBUG"
    asked = os.environ.get("PRM_SYNC_LOG_LEVEL", "").strip().upper()
    if asked in ("DEBUG", "INFO", "WARNING", "ERROR"):
        return asked
    return "INFO" if verbose else "WARNING"
