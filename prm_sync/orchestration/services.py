"""The services of an installation: Dagster's web server and daemon, started together, stopped together.

They are started as children of `up`, each in its own process group: a service started by a shell's `&` would inherit an
ignored SIGINT and could not be stopped politely. A run that is under way outlives them: its code server waits for it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from prm_sync.errors import WarehouseError
from prm_sync.settings import Settings
from prm_sync.warehouse import db, schema
from prm_sync.warehouse.urls import dagster_url, warehouse_url

log = logging.getLogger(__name__)

HOST = "127.0.0.1"  # the web server has no login: a proxy with one goes in front
HEALTHY_WITHIN_S = 180
STOP_WITHIN_S = 45
RESTART_AFTER_S = (1.0, 2.0, 5.0, 15.0, 60.0)
SHIPPED = Path(__file__).parent
_HEALTH = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError {
  __typename ... on PythonError { message cause { message } } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } } }"""


@dataclass(slots=True)
class Service:
    """One child: started, and started again when it dies."""

    name: str
    command: list[str]
    env: Mapping[str, str]
    cwd: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    restart_at: float = 0.0

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env=dict(self.env), cwd=self.cwd, stdin=subprocess.DEVNULL, start_new_session=True
        )
        log.info("service started", extra={"service": self.name, "pid": self.process.pid})

    def look_after(self, now: float) -> bool:
        """Start it again where it died: soon, then ever more slowly. True: it was started."""
        if self.process is None:
            if now < self.restart_at:
                return False
            self.start()
            return True
        if (code := self.process.poll()) is not None:
            self.deaths = [t for t in self.deaths if now - t < 300] + [now]
            wait_s = RESTART_AFTER_S[min(len(self.deaths), len(RESTART_AFTER_S)) - 1]
            log.error("service died", extra={"service": self.name, "code": code, "again_in_s": wait_s})
            self.process, self.restart_at = None, now + wait_s
        return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Health:
    """What the services say of themselves. `problem` is None where all is well."""

    ready: bool
    problem: str | None = None


def dagster_home(settings: Settings) -> Path:
    """The folder of the instance: our dagster.yaml, or the project's own where it has one."""
    home = settings.home / "dagster"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        own = settings.project / name
        shutil.copyfile(own if own.is_file() else SHIPPED / name, home / name)
    return home


def environment(settings: Settings, home: Path) -> dict[str, str]:
    """The services' environment: ours, with the installation's places made plain."""
    env = {**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}
    env |= {"PRM_SYNC_PROJECT": str(settings.project), "PRM_SYNC_HOME": str(settings.home)}
    env["PYTHONUNBUFFERED"] = "1"
    return env


def services(settings: Settings, port: int, host: str = HOST, read_only: bool = False) -> list[Service]:
    home = dagster_home(settings)
    env, workspace = environment(settings, home), ["-w", str(home / "workspace.yaml")]
    quiet = ["--log-level", "warning"]  # three lines a sensor and tick otherwise
    web = [sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port), *workspace]
    web += ["--dagster-log-level", "warning", "--code-server-log-level", "warning"]
    if read_only:
        web.append("--read-only")
    daemon = [sys.executable, "-m", "dagster._daemon", "run", *quiet, *workspace]
    return [Service("web server", web, env, settings.project), Service("daemon", daemon, env, settings.project)]


def up(
    settings: Settings, port: int, *, host: str = HOST, read_only: bool = False, say: Callable[[str], None] = print,
    stop: threading.Event | None = None,
) -> int:  # fmt: skip
    """Start web server and daemon, say the URL once both are well, look after them until Ctrl-C or `stop`.

    0: stopped on demand; 1: they did not become well, and why was said. Raises WarehouseError where they run already.
    """
    stopping = stop or threading.Event()
    running = services(settings, port, host, read_only)
    with _alone(settings), _signals(stopping):
        _stop_leftovers(settings)
        if port_in_use(host, port):
            raise WarehouseError(f"port {port} of {host} is taken; choose another with --port")
        _prepare(settings)
        try:
            for service in running:
                service.start()
            _write_pids(settings, port, running)
            if not _become_well(running, host, port, say, stopping):
                return 0 if stopping.is_set() else 1
            while not stopping.wait(0.5):
                started = [service.look_after(time.monotonic()) for service in running]
                if any(started):
                    _write_pids(settings, port, running)
            say("stopping; a run that is under way goes on to its end")
        finally:
            _stop_all(running)
            _pid_file(settings).unlink(missing_ok=True)
    return 0


def _prepare(settings: Settings) -> None:
    """The server is up and both databases are there, or it is said why not, before anything else starts."""
    dagster_url(settings)
    engine = db.engine(warehouse_url(settings))
    try:
        schema.upgrade(engine)
    finally:
        engine.dispose()


def _stop_leftovers(settings: Settings) -> None:
    """Services whose `up` was killed: they would go on beside ours."""
    try:
        noted = json.loads(_pid_file(settings).read_text())["services"]
    except (FileNotFoundError, ValueError, KeyError):
        return
    for name, (pid, since) in noted.items():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process = psutil.Process(pid)
            if abs(process.create_time() - since) < 1:
                log.warning("service left over, stopped", extra={"service": name, "pid": pid})
                process.send_signal(signal.SIGINT)
                process.wait(STOP_WITHIN_S)


def _become_well(
    running: list[Service], host: str, port: int, say: Callable[[str], None], stopping: threading.Event
) -> bool:
    url, deadline = f"http://{host}:{port}", time.monotonic() + HEALTHY_WITHIN_S
    told = None
    while not stopping.wait(0.5):
        for service in running:
            if service.process is not None and service.process.poll() is not None:
                say(f"the {service.name} stopped with code {service.process.returncode}; its last words are above")
                return False
        found = health(url)
        if found.problem is not None and found.problem != told:
            told = found.problem
            say(told)
        if found.ready:
            say(f"prm-sync is up: {url}")
            return True
        if time.monotonic() > deadline:
            say(f"not well after {HEALTHY_WITHIN_S} s: {found.problem or 'the services do not answer'}")
            return False
    return False


def health(url: str) -> Health:
    """Asks the web server how the code location and the daemons are. A location that cannot be loaded is a problem
    that does not keep the services from being up: mend the file and press Reload."""
    request = urllib.request.Request(  # noqa: S310 our own URL
        f"{url}/graphql", json.dumps({"query": _HEALTH}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            data = json.load(answer)["data"]
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return Health(ready=False)
    entries = data["workspaceOrError"].get("locationEntries", [])
    daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
    loaded = bool(entries) and all(e["loadStatus"] == "LOADED" for e in entries)
    ready = loaded and all(d["healthy"] for d in daemons if d["required"])
    found = [e["locationOrLoadError"] or {} for e in entries]
    errors = [e for e in found if e.get("__typename") == "PythonError"]
    if not errors:
        return Health(ready)
    words = (errors[0].get("cause") or errors[0])["message"].strip().splitlines()
    return Health(ready, f"the definitions cannot be loaded: {words[-1] if words else 'unknown error'}")


def down(settings: Settings) -> bool:
    """Stop services that `up` started elsewhere. False: none run."""
    try:
        noted = json.loads(_pid_file(settings).read_text())
        process = psutil.Process(noted["up"])
        if abs(process.create_time() - noted["since"]) > 1:
            return False
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_WITHIN_S + 15)
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return False
    except psutil.TimeoutExpired:
        raise WarehouseError(f"the services (process {noted['up']}) do not stop; look at what they wait for") from None
    return True


def port_in_use(host: str, port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _stop_all(running: list[Service]) -> None:
    for service in running:
        service.stop()
    deadline = time.monotonic() + STOP_WITHIN_S
    for service in running:
        if service.process is None:
            continue
        try:
            service.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("service killed", extra={"service": service.name})  # noqa: TRY400 the traceback says no more
            service.process.kill()
            service.process.wait(timeout=10)


def _pid_file(settings: Settings) -> Path:
    return settings.home / "services.json"


def _write_pids(settings: Settings, port: int, running: list[Service]) -> None:
    children = [(s.name, psutil.Process(s.process.pid)) for s in running if s.process is not None]
    pids = {name: (child.pid, child.create_time()) for name, child in children}
    me = psutil.Process()
    note = {"up": me.pid, "since": me.create_time(), "port": port, "services": pids}
    _pid_file(settings).write_text(json.dumps(note) + "\n")


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Two daemons would both run the schedules."""
    lock = FileLock(settings.home / "services.lock", timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise WarehouseError(f"prm-sync is up already for {settings.home}; `prm-sync down` stops it") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask to stop; handlers exist only in a main thread (tests use `stop`)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
