"""The pool of connections: those that a server has ended meanwhile are not handed out."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from prm_sync.warehouse import db as database


def pid(engine: sa.Engine) -> int:
    with engine.begin() as tx:
        return int(tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_an_idle_connection_that_the_server_has_ended_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PROVEN_S", 0.05)
    ours, other = database.engine(database_url), database.engine(database_url)
    first = pid(ours)
    assert pid(ours) == first
    with other.begin() as tx:
        assert tx.execute(sa.text("SELECT pg_terminate_backend(:p, 5000)"), {"p": first}).scalar_one()
    time.sleep(0.06)
    assert pid(ours) != first
    ours.dispose()
    other.dispose()
