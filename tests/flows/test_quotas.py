"""What an account really has, said in prm_sync.yaml."""

from __future__ import annotations

import pytest
from workbench import Project

from prm_sync.errors import ConfigError


def test_a_connection_may_say_what_its_account_really_has(project: Project) -> None:
    """Quotas of prm_sync.yaml take the place of the connector's own figures; an unknown name is told with its line."""
    project.write(connections={"sheets": {"connector": "files", "config": {"folder": "data"}}})
    with project.open() as app:
        assert app.quotas_of("sheets") == []
    quotas = {"daily": {"permits": 5}}
    project.write(connections={"sheets": {"connector": "files", "config": {"folder": "data"}, "quotas": quotas}})
    with project.open() as app, pytest.raises(ConfigError, match=r'prm_sync.yaml:\d+: .*no limit is named "daily"'):
        app.quotas_of("sheets")


def test_a_quota_changes_permits_and_share_only(project: Project) -> None:
    config = {"base_url": "http://127.0.0.1:9", "public_key": {"env": "PK"}, "secret_key": {"env": "SK"}}
    quotas = {"calls": {"permits": 40}}
    project.write(connections={"prm": {"connector": "partnerstack", "config": config, "quotas": quotas}})
    with project.open() as app:
        assert [(limit.name, limit.permits, limit.per_s) for limit in app.quotas_of("prm")] == [("calls", 40, 1.0)]
