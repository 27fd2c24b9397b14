"""The embedded PostgreSQL: started once for all processes of an installation, found afresh by each.

`attach_or_start` is what everybody calls. The server outlives the process that started it, listens on a UNIX socket
that only its user (and root) can reach, and recovers by itself after a kill or a power loss. Nothing is cached:
`postmaster.pid` says each time what is true.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from filelock import FileLock, Timeout
from sqlalchemy import URL

from prm_sync.errors import WarehouseError
from prm_sync.warehouse.pgfiles import ELSEWHERE, Places, places, socket_folder
from prm_sync.warehouse.pgsettings import HBA, initial_settings

log = logging.getLogger(__name__)

SUPERUSER = "postgres"
DATABASES = ("prm_sync", "dagster")
START_TIMEOUT_S = 120  #: replaying max_wal_size after a crash takes its time
STOP_TIMEOUT_S = 60
LOCK_TIMEOUT_S = 180
NOTE = "server.json"  #: in the home: where the data is, relative to the home where it lies inside


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections."""

    pid: int
    data: Path
    socket: Path  #: the folder of the UNIX socket
    port: int  #: names the socket; TCP is off unless `prm-sync db expose` turned it on

    def url(self, database: str = "prm_sync", driver: str = "psycopg") -> URL:
        return URL.create(
            f"postgresql+{driver}", username=SUPERUSER, database=database,
            query={"host": str(self.socket), "port": str(self.port)},
        )  # fmt: skip

    @contextmanager
    def connect(self, database: str = "prm_sync") -> Iterator[psycopg.Connection]:
        """A plain connection in autocommit, for what engines cannot do (CREATE DATABASE, ALTER SYSTEM)."""
        with psycopg.connect(
            host=str(self.socket), port=self.port, user=SUPERUSER, dbname=database, autocommit=True, connect_timeout=10
        ) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class Status:
    """What there is of a home's server: `state` is absent | stopped | starting | ready | stopping."""

    state: str
    data: Path | None = None
    server: Server | None = None


def attach_or_start(home: Path, *, elsewhere: Path = ELSEWHERE) -> Server:
    """The running server of `home`; started, and made on first use. Safe from any number of processes at once.

    Raises WarehouseError with the server's own words where it does not start.
    """
    found = status(home)
    if found.server is not None:
        return found.server
    with _locked(home, elsewhere) as at:
        began = time.monotonic()
        server = _settled(at.data).server
        if server is None:
            if not at.data.exists():
                _initialise(at)
            server = _launch(at)
            took_s = round(time.monotonic() - began, 2)
            log.info("server started", extra={"pid": server.pid, "took_s": took_s})
        if not _read_note(at.home):  # the note comes last: who finds it finds the databases too
            _make_databases(server)
            _write_note(at)
        return server


start = attach_or_start


def status(home: Path) -> Status:
    """Looks, changes nothing. A pid file whose process is gone, or is another program, counts as stopped."""
    home = home.resolve()
    note = _read_note(home)
    return _look(home / note["data"]) if note else Status("absent")


def stop(home: Path, *, elsewhere: Path = ELSEWHERE) -> bool:
    """Stop in good order, ending others' connections (`fast`). False: nothing was running."""
    if status(home).state in ("absent", "stopped"):
        return False
    with _locked(home, elsewhere) as at:
        if _settled(at.data).server is None:
            return False
        command = [str(at.bin / "pg_ctl"), "-D", str(at.data), "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S), "stop"]
        done = at.user.run(command, timeout_s=STOP_TIMEOUT_S + 10)
        if done.returncode != 0:
            raise WarehouseError(f"embedded PostgreSQL did not stop: {_last_words(at, done.stderr)}")
        log.info("server stopped")
        return True


def remove(home: Path, *, elsewhere: Path = ELSEWHERE) -> None:
    """Stop the server and delete its data, wherever it lies. There is no way back."""
    stop(home, elsewhere=elsewhere)
    if status(home).data is not None:
        with _locked(home, elsewhere) as at:
            (at.home / NOTE).unlink(missing_ok=True)
            shutil.rmtree(at.data)


def restart(home: Path, *, elsewhere: Path = ELSEWHERE) -> Server:
    """Stop and start: for settings that only a start reads. Others' connections end."""
    stop(home, elsewhere=elsewhere)
    return attach_or_start(home, elsewhere=elsewhere)


# --- looking -----------------------------------------------------------------------------------------------------


def _look(data: Path) -> Status:
    try:
        if not (data / "PG_VERSION").exists():
            return Status("absent")
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return Status("stopped", data)
    except PermissionError as e:
        raise WarehouseError(f"the server in {data} belongs to another user: run as that user, or as root") from e
    if not lines or not _is_postmaster(lines[0], data):
        return Status("stopped", data)
    if len(lines) < 8:  # being written at this moment
        return Status("starting", data)
    state = lines[7].strip()
    server = Server(int(lines[0]), data, Path(lines[4]), int(lines[3]))
    if state == "ready" and _answers(server):
        return Status("ready", data, server)
    return Status("stopping" if state == "stopping" else "starting", data)


def _read_note(home: Path) -> dict[str, Any]:
    try:
        note = json.loads((home / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        raise WarehouseError(f"{home / NOTE} cannot be read ({type(e).__name__}); it says where the data is") from e
    if not isinstance(note, dict) or not isinstance(note.get("data"), str):
        raise WarehouseError(f"{home / NOTE} does not say where the data is; restore it, or set PRM_SYNC_HOME anew")
    return note


def _is_postmaster(pid: str, data: Path) -> bool:
    """Whether `pid` is a postgres at work in `data`: after a power loss it may be anybody."""
    try:
        process = psutil.Process(int(pid))
        if not process.name().startswith("postgres") or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(process.cwd()).samefile(data)
    except (psutil.NoSuchProcess, ValueError, FileNotFoundError):
        return False
    except psutil.AccessDenied:  # another user's postgres: we would not get in anyway, the server itself will tell
        return True


def _answers(server: Server) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(server.socket / f".s.PGSQL.{server.port}"))
        except PermissionError as e:
            raise WarehouseError(f"the server in {server.data} belongs to another user: run as that user") from e
        except OSError:
            return False
    return True


def _settled(data: Path) -> Status:
    """What there is once nothing is starting or stopping any more."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := _look(data)).state in ("starting", "stopping"):
        if time.monotonic() > deadline:
            raise WarehouseError(f"embedded PostgreSQL in {data} is {found.state} for over {START_TIMEOUT_S} s")
        time.sleep(0.05)
    return found


# --- starting ----------------------------------------------------------------------------------------------------


@contextmanager
def _locked(home: Path, elsewhere: Path) -> Iterator[Places]:
    """The right to start or stop this home's server."""
    at = places(home, _read_note(home).get("data"), elsewhere)
    lock = FileLock(at.home / "server.lock", timeout=LOCK_TIMEOUT_S, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise WarehouseError(f"{lock.lock_file} is held by another prm-sync for over {LOCK_TIMEOUT_S} s") from None
    except PermissionError as e:
        raise WarehouseError(f"{lock.lock_file} belongs to another user: run as that user, or as root") from e
    try:
        if os.geteuid() == 0:  # with sudo in somebody's home: leave nothing there that they cannot open
            owner = at.home.stat()
            os.chown(lock.lock_file, owner.st_uid, owner.st_gid)
        yield at
    finally:
        lock.release()


def _initialise(at: Places) -> None:
    """initdb beside the final place, then a rename: a half-made cluster is never taken for a whole one."""
    fresh = at.data.with_name(at.data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    at.user.own(fresh)
    command = [
        str(at.bin / "initdb"), "--pgdata", str(fresh), "--username", SUPERUSER,
        "--auth-local=trust", "--auth-host=reject", "--no-instructions",
        "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        *(f"--set={name}={value}" for name, value in initial_settings(at.home).items()),
    ]  # fmt: skip
    done = at.user.run(command, timeout_s=120)
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise WarehouseError(f"embedded PostgreSQL could not be made in {at.data}: {_last_line(done.stderr)}")
    (fresh / "pg_hba.conf").write_text(HBA)
    fresh.rename(at.data)


def _write_note(at: Places) -> None:
    data = at.data.relative_to(at.home) if at.data.is_relative_to(at.home) else at.data
    fresh = at.home / f"{NOTE}.new"
    fresh.write_text(json.dumps({"data": str(data)}) + "\n", encoding="utf-8")
    fresh.replace(at.home / NOTE)


def _launch(at: Places) -> Server:
    folder = socket_folder(at.data, at.user)
    options = f"-k {shlex.quote(str(folder))}"
    if _exposed_port_is_taken(at.data):
        options += " -c listen_addresses=''"
        log.warning("the analysts' port is taken: TCP stays off; `prm-sync db expose` chooses another")
    command = [
        str(at.bin / "pg_ctl"), "-D", str(at.data), "-l", str(at.data / "start.log"), "-o", options,
        "-w", "-t", str(START_TIMEOUT_S), "start",
    ]  # fmt: skip
    deadline = time.monotonic() + 30
    while True:
        _drop_stale_locks(at.data, folder)
        (at.data / "start.log").unlink(missing_ok=True)
        done = at.user.run(command, timeout_s=START_TIMEOUT_S + 10)
        found = _settled(at.data)
        if found.server is not None:
            return found.server
        words = _last_words(at, done.stderr)
        # The children of a killed postmaster need a moment to notice; until then they hold its shared memory.
        if "pre-existing shared memory" not in words or time.monotonic() > deadline:
            raise WarehouseError(f"embedded PostgreSQL in {at.data} did not start: {words}")
        time.sleep(0.3)


def _drop_stale_locks(data: Path, folder: Path) -> None:
    """PostgreSQL refuses to start while the pid in an old lock file lives, be it a zombie or another program's by now.

    We know better which it is; that no child of a killed server is still at work, it checks by its shared memory.
    """
    for path in (data / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")):
        with suppress(FileNotFoundError, IndexError):
            pid = path.read_text().splitlines()[0]
            if psutil.pid_exists(int(pid)) and not _is_postmaster(pid, data):
                path.unlink()


def _exposed_port_is_taken(data: Path) -> bool:
    own = (data / "postgresql.auto.conf").read_text()
    if not re.search(r"^listen_addresses *= *'127", own, re.MULTILINE):
        return False
    ports = re.findall(r"^port *= *'?(\d+)", (data / "postgresql.conf").read_text() + "\n" + own, re.MULTILINE)
    return bool(ports) and not port_is_free(int(ports[-1]))


def port_is_free(port: int) -> bool:
    """Whether a server could listen there on 127.0.0.1 now; 0 asks for any."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _make_databases(server: Server) -> None:
    with server.connect(SUPERUSER) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in DATABASES:
            if name not in there:
                connection.execute(f'CREATE DATABASE "{name}"')


def _last_words(at: Places, stderr: str) -> str:
    """The line in which the server says why it does not start."""
    lines: list[str] = []
    for path in (at.data / "start.log", *sorted((at.data / "log").glob("*.log"), key=lambda p: p.stat().st_mtime)[-1:]):
        with suppress(OSError):
            lines += path.read_text(errors="replace").splitlines()[-50:]
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return _last_line("\n".join(fatal)) or _last_line(stderr)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
