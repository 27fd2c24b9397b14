"""The partners' folder of the demo."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from prm_sync.connect import Context
from prm_sync.demo.folder import PORTAL, portal_of
from prm_sync.project import Connection, shipped
from prm_sync.rules.mapping import load_all
from prm_sync_files import CONNECTOR


class _Free:
    def take(self, *limits: str, cost: int = 1) -> None: ...
    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None: ...


def test_the_folder_is_a_prm_with_four_tables_that_are_written_by_key(tmp_path: Path) -> None:
    connection = Connection.model_validate(portal_of(tmp_path))
    assert (connection.kind, connection.dialect) == ("prm", "files_prm")
    config = CONNECTOR.config.model_validate(connection.config)
    context = Context("portal", _Free(), logging.getLogger("portal"), lambda *_: None)
    with CONNECTOR.open(config, context) as session:
        assert session.check().name == "portal"
        streams = session.discover(connection.streams)
    assert [s.name for s in streams] == ["cases", "shipping_notices", "market_signals", "needs"]
    assert all(s.key == "Key" and s.write_batch for s in streams)


@pytest.mark.parametrize("stream", PORTAL)
def test_each_table_has_the_columns_that_the_shipped_mapping_knows_and_no_others(stream: str) -> None:
    specs, errors = load_all(shipped("mappings"), connectors={"files_prm"})
    assert errors == []
    known = {
        name for spec in specs if spec.stream == stream for name in (*spec.sources, *(b.remote for b in spec.back))
    }
    if not known:
        pytest.skip("no mapping for it is shipped yet")
    assert known == set(PORTAL[stream])
