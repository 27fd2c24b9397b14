"""Pages prepared in processes beside this one, so that a large first load has more than one core for its Python."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import cycle
from typing import IO, Self, TypeVar

from prm_sync.connect.ahead import ahead
from prm_sync.connect.protocol import Page
from prm_sync.connect.undecoded import Undecoded
from prm_sync.flows.preparing import Prepared, Recipe, give_back_memory

log = logging.getLogger(__name__)

Ready = TypeVar("Ready")

PROCESSES = 2  #: some 65 MB each; more would wait for PostgreSQL
STARTING = 2  #: pages that are read, and wait, before the first process has come up
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
_BROKEN = (OSError, EOFError, pickle.UnpicklingError)


def prepared_beside(
    pages: Iterable[Page], recipe: Recipe, here: Callable[[Page], Ready]
) -> Iterator[tuple[Page, Ready | Prepared]]:
    """The pages with what the processes made of them, in their order; by `here` what none could."""
    give_back_memory()
    with ExitStack() as stack:
        processes = cycle([stack.enter_context(_Process(recipe)) for _ in range(PROCESSES)])

        def sent() -> Iterator[tuple[Page, _Process | None]]:  # in a thread: a pipe holds less than a page
            with closing(ahead(iter(pages), STARTING)) as read:
                for page in read:
                    process = next(processes)
                    yield page, process if process.send(page) else None

        with closing(ahead(sent(), 1)) as under_way:
            for page, process in under_way:
                made = process.receive() if process is not None else None
                yield page, made if made is not None else here(page)


class _Process:
    """A process, seen from its parent. Once its pipes are broken it takes no more pages."""

    def __init__(self, recipe: Recipe) -> None:
        env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}  # no secrets: it needs none
        env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        command = [sys.executable, "-P", "-m", "prm_sync.flows.preparer"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        for pipe in (self._process.stdin, self._process.stdout):
            _widen(pipe)
        self._alive = True
        self._put(recipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it keeps nothing
        self._process.communicate()

    def send(self, page: Page) -> bool:
        """Whether the page is under way: `receive` will have an answer."""
        if not self._alive or not isinstance(page.records, Undecoded):
            return False
        return self._put((page.records.content, page.records.decode))

    def receive(self) -> Prepared | None:
        """What was made of the oldest page under way; None: it is to be made here."""
        assert self._process.stdout is not None
        try:
            made: Prepared | None = pickle.load(self._process.stdout)  # noqa: S301 our own process
        except _BROKEN:
            self._ended()
            return None
        return made

    def _put(self, value: object) -> bool:
        assert self._process.stdin is not None
        try:
            pickle.dump(value, self._process.stdin, protocol=5)
            self._process.stdin.flush()
        except _BROKEN:
            self._ended()
            return False
        return True

    def _ended(self) -> None:
        if self._alive:
            log.warning("a process that prepares pages has ended; its pages are prepared here")
        self._alive = False


def _widen(pipe: IO[bytes] | None) -> None:
    """A page is megabytes: in pieces of 64 KB it would be handed over in a hundred turns. Where the system lets us."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)  # type: ignore[arg-type]
