"""The embedded server's settings, written once at init from the machine's memory; people may change them later.

`synchronous_commit` stays on: with `off`, a kill -9 of the server right after a commit lost that commit (tried), and an
intent in the outbox must be there before the remote is called. A flow may turn it off for a transaction that can be
repeated (`SET LOCAL`): a page and its cursor get lost together, and are read again.
"""

from __future__ import annotations

import random
import shutil
import socket
from pathlib import Path

import psutil

MIB = 1024 * 1024
GIB = 1024 * MIB

HBA = """# Written by prm-sync. Who can reach the socket (this system user and root) is trusted; nobody else gets in.
local all all trust
"""


def initial_settings(home: Path) -> dict[str, str]:
    """What differs from PostgreSQL's defaults, for the memory and the disk that are here."""
    memory, disk = usable_memory(), shutil.disk_usage(home)
    settings = {
        "listen_addresses": "",
        "port": str(free_port()),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": _mib(memory // 8, 128, 4096),
        "effective_cache_size": _mib(memory // 2, 256, 64 * 1024),
        "maintenance_work_mem": _mib(memory // 16, 64, 1024),
        "work_mem": _mib(memory // 512, 8, 64),
        "random_page_cost": "1.1",
        "jit": "off",  # statements are short or bulk: compiling them cost more than it gave
        "wal_level": "minimal",  # no replicas of an embedded server: COPY into a new table skips the log
        "max_wal_senders": "0",
        "max_wal_size": "4GB" if disk.free > 40 * GIB else "1GB",
        "checkpoint_timeout": "15min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",  # a week of files, each overwritten a week later
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_size": "0",
        "log_error_verbosity": "terse",  # DETAIL and statements hold records' values: they stay out of the log
        "log_min_error_statement": "panic",
    }
    if _shared_memory() < GIB:  # containers give 64 MB: parallel queries would fail for want of it
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def usable_memory() -> int:
    """Bytes of memory, or the container's limit where that is less."""
    total = int(psutil.virtual_memory().total)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(total, int(Path(path).read_text()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return total


def free_port() -> int:
    """A TCP port nobody has, outside the range that systems give to clients.

    Chosen at init though TCP is off: the port also names the socket, which must not change when TCP is turned on.
    """
    for port in random.sample(range(15432, 25432), 50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return 5432


def _shared_memory() -> int:
    try:
        return shutil.disk_usage("/dev/shm").total  # noqa: S108 asked for its size only
    except OSError:
        return 2 * GIB


def _mib(amount: int, least: int, most: int) -> str:
    return f"{min(max(amount // MIB, least), most)}MB"
