"""Settings from the environment, the project file, and where mistakes in it are shown."""

import json
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from prm_sync.errors import ConfigError
from prm_sync.project import connection_config, project_schema, read_project
from prm_sync.settings import Settings
from prm_sync.yamlfile import parse

GOOD = """\
connections:
  salesforce_prod:
    connector: salesforce
    config: {instance_url: https://acme.my.salesforce.com, client_id: {env: SF_ID}, client_secret: {env: SF_SECRET}}
    limits: {max_create: 7}
    stream_limits: {Lead: {max_delete: 1}}
  partnerstack:
    connector: partnerstack
trust: [partnerstack]
mappings: maps
"""


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    instance_url: str
    client_id: str
    client_secret: SecretStr
    port: int = 443


class PasswordLogin(BaseModel):
    kind: Literal["password"]
    password: SecretStr


class TokenLogin(BaseModel):
    kind: Literal["token"]
    tokens: list[SecretStr]


class Nested(BaseModel):
    login: Annotated[PasswordLogin | TokenLogin, Field(discriminator="kind")]


def project(folder: Path, text: str = GOOD):
    path = folder / "prm_sync.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return read_project(path)


def mistakes(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        project(folder, text)
    return str(raised.value).replace(str(folder) + "/", "")


# --- settings ----------------------------------------------------------------------------------------------------


def test_the_project_is_the_nearest_folder_upward_with_a_project_file(tmp_path):
    project(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = Settings.from_env({}, cwd=below)
    assert settings.project == tmp_path
    assert settings.home == tmp_path / ".prm_sync"
    assert Settings.from_env({"PRM_SYNC_HOME": "x"}, cwd=below).home == below / "x"


def test_an_empty_variable_is_an_unset_one_and_secrets_do_not_show(tmp_path):
    env = {"PRM_SYNC_DATABASE_URL": "", "PRM_SYNC_ALERT_URL": "https://h/hush", "PRM_SYNC_LOG_LEVEL": "debug"}
    settings = Settings.from_env(env, cwd=tmp_path)
    assert settings.database_url is None
    assert settings.log_level == "DEBUG"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"PRM_SYNC_DATABASE_URL": "mysql://u:hush@h/d"}, "PRM_SYNC_DATABASE_URL: must begin with postgresql://"),
        ({"PRM_SYNC_ALERT_URL": "ftp://hush"}, "PRM_SYNC_ALERT_URL: must begin with http://"),
        ({"PRM_SYNC_PROJECT": "/no/such"}, "PRM_SYNC_PROJECT: /no/such is no folder"),
        ({"PRM_SYNC_LOG_LEVEL": "loud"}, "PRM_SYNC_LOG_LEVEL"),
    ],
    ids=["database", "alert", "project", "log level"],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_shown(tmp_path, env, words):
    with pytest.raises(ConfigError) as raised:
        Settings.from_env(env, cwd=tmp_path)
    assert words in str(raised.value)
    assert "hush" not in str(raised.value)


# --- the project file --------------------------------------------------------------------------------------------


def test_a_project_file_is_read_with_its_defaults(tmp_path):
    found = project(tmp_path).project
    assert found.trusted == ("partnerstack", "salesforce_prod")
    assert found.schedules.pull == "0 * * * *"
    assert found.currency == "EUR"
    limits = found.connections["salesforce_prod"].limits_of("Lead")
    assert (limits.max_create, limits.max_update_share, limits.max_delete) == (7, 0.5, 1)
    assert found.connections["salesforce_prod"].limits_of("Account").max_delete == 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("connections:\n  a: {connector: x}\n  a: {connector: y}\n",
         'prm_sync.yaml:3: duplicate name "a" in connections, first in line 2'),
        ("conections: {}\n", 'prm_sync.yaml:1: unknown key "conections" in the file; did you mean "connections"?'),
        ("connections:\n  a:\n    connector: x\n    limit: {}\n",
         'prm_sync.yaml:4: unknown key "limit" in connections.a; did you mean "limits"?'),
        ("connections:\n  a:\n    config: {}\n", 'prm_sync.yaml:2: connections.a.connector: "connector" is missing'),
        ("connections:\n  Bad-Name: {connector: x}\n", "prm_sync.yaml:2: connections.Bad-Name"),
        ("trust: [sales]\nconnections: {sales_eu: {connector: x}}\n",
         'trust names "sales", which is no connection; did you mean "sales_eu"?'),
        ("schedules:\n  pull: hourly\n", "prm_sync.yaml:2: schedules.pull: a schedule is five cron fields"),
        ("- a\n", "must be a mapping"),
        ("a: [\n", "prm_sync.yaml:2: not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_with_its_line_and_what_was_meant(tmp_path, text, words):
    assert words in mistakes(tmp_path, text)


def test_every_mistake_of_a_file_is_shown_at_once(tmp_path):
    text = "currency: euro\nconnections:\n  a: {connector: x, streems: []}\nschedules: {pul: x}\n"
    assert [line.split(":")[1] for line in mistakes(tmp_path, text).splitlines()] == ["1", "3", "4"]


def test_words_stay_words():
    data = parse("{a: NO, b: on, c: 2026-01-31, d: 0123, e: 1_000, f: true, g: ~, h: 1.5}", Path("x")).data
    assert data == {"a": "NO", "b": "on", "c": "2026-01-31", "d": "0123", "e": 1000, "f": True, "g": None, "h": 1.5}


def test_a_missing_project_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="prm-sync init"):
        read_project(tmp_path / "prm_sync.yaml")


def test_a_connector_that_is_not_installed_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(
        ConfigError, match=r'yaml:3: .*no connector "salesforce" is installed; did you mean "salesfarce"'
    ):
        project(tmp_path).check_connectors({"salesfarce": Config, "partnerstack": Config})


# --- secrets -----------------------------------------------------------------------------------------------------


def test_references_are_looked_up_in_the_environment_and_in_files(tmp_path):
    text = GOOD.replace("client_secret: {env: SF_SECRET}", "client_secret: {file: secret.txt}, port: {env: PORT}")
    (tmp_path / "secret.txt").write_text("hush\n")
    config = connection_config(project(tmp_path, text), "salesforce_prod", Config, {"SF_ID": "me", "PORT": "8443"})
    assert config == Config(
        instance_url="https://acme.my.salesforce.com", client_id="me", client_secret=SecretStr("hush"), port=8443
    )


def test_a_secret_in_plain_sight_is_refused_with_its_line_and_without_its_value(tmp_path):
    source = project(tmp_path, GOOD.replace("{env: SF_SECRET}", "hush"))
    with pytest.raises(ConfigError) as raised:
        connection_config(source, "salesforce_prod", Config, {"SF_ID": "me"})
    assert "prm_sync.yaml:4: " in str(raised.value)
    assert "client_secret is a secret and may not stand in the file" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    "login", ["{kind: password, password: hush}", "{kind: token, tokens: [{env: OK}, hush]}"], ids=["union", "list"]
)
def test_a_secret_is_found_however_deep_it_stands(tmp_path, login):
    source = project(tmp_path, f"connections:\n  a:\n    connector: x\n    config:\n      login: {login}\n")
    with pytest.raises(ConfigError, match="may not stand in the file") as raised:
        connection_config(source, "a", Nested, {"OK": "ok"})
    assert raised.value.line == 5
    assert "hush" not in str(raised.value)


def test_a_variable_that_is_not_set_is_named_with_where_it_is_needed(tmp_path):
    with pytest.raises(ConfigError, match=r"yaml:4: .*variable SF_SECRET is not set, needed for config\.client_secret"):
        connection_config(project(tmp_path), "salesforce_prod", Config, {"SF_ID": "me", "SF_SECRET": ""})


def test_a_wrong_config_value_is_shown_at_its_line_and_not_shown_itself(tmp_path):
    text = GOOD.replace("client_secret: {env: SF_SECRET}", "client_secret: {env: SF_SECRET}, port: {env: PORT}")
    env = {"SF_ID": "me", "SF_SECRET": "x", "PORT": "hush"}
    with pytest.raises(ConfigError, match=r"yaml:4: .*port: .*integer") as raised:
        connection_config(project(tmp_path, text), "salesforce_prod", Config, env)
    assert "hush" not in str(raised.value)


# --- the schema --------------------------------------------------------------------------------------------------


def test_the_schema_wants_a_reference_where_a_secret_goes_and_allows_one_elsewhere():
    schema = project_schema({"salesforce": Config, "nested": Nested})
    config = schema["$defs"]["salesforce.config"]["properties"]
    assert config["client_secret"]["anyOf"] == [{"$ref": "#/$defs/Reference"}]
    assert config["client_id"]["anyOf"] == [{"type": "string"}, {"$ref": "#/$defs/Reference"}]
    assert "password" in schema["$defs"]["nested.PasswordLogin"]["properties"]
    json.dumps(schema)


def test_the_committed_schema_is_the_one_of_this_code():
    from prm_sync.connect import registry

    path = Path(__file__).parents[2] / "schemas" / "prm_sync.schema.json"
    configs = {name: registry.find(name).config for name in ("files", "partnerstack", "salesforce")}
    assert json.loads(path.read_text()) == project_schema(configs), "run `make schemas`"
