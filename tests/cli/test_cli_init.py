"""`prm-sync init`: a project from nothing, or from a file of records in whatever language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from commandline import Cli

from prm_sync.connect import registry
from prm_sync.project import connection_config, read_project
from prm_sync.rules.mapping import load_mapping

FILES = {
    "Spanish": (
        "clientes.csv",
        """Código,Nombre,Apellidos,Empresa,Correo electrónico,Teléfono,País
1,Lucía,Gómez,Aceros Gómez,lucia@aceros.example,+34 912 345 678,España\n""",
        {"first_name": ["Nombre"], "last_name": ["Apellidos"], "email": ["Correo electrónico"], "country": ["País"]},
    ),
    "Chinese": (
        "线索.csv",
        "编号,姓名,公司,邮箱,电话,国家\n1,王伟,华夏公司,wang@huaxia.example,+86 138 0013 8000,中国\n",
        {"company": ["公司"], "email": ["邮箱"], "country": ["国家"]},
    ),
    "Arabic": (
        "عملاء.csv",
        """الرقم,الاسم,الشركة,البريد الإلكتروني,الهاتف,الدولة
1,أحمد علي,شركة النور,ahmad@noor.example,+966 50 123 4567,السعودية\n""",
        {"company": ["الشركة"], "email": ["البريد الإلكتروني"], "country": ["الدولة"]},
    ),
}


@pytest.mark.parametrize("language", FILES)
def test_a_project_from_a_file_loads_and_finds_its_columns(language: str, folder_only: Cli) -> None:
    name, text, expected = FILES[language]
    source = folder_only.text(f"in/{name}", text)
    said = folder_only(
        "init", "--from", str(source), "--dir", str(folder_only.folder), "--entity", "lead", "--json"
    ).json
    placed = {p["field"]: p["headers"] for p in said["placed"]}
    assert expected.items() <= placed.items()
    assert said["mistake"] is None
    assert said["records"] == 1
    project = read_project(folder_only.folder / "prm_sync.yaml").project
    assert project.connections["lists"].streams == (said["stream"],)
    spec = load_mapping(folder_only.folder / "mappings" / "files" / "lead.yaml")
    assert (spec.connector, spec.stream) == ("files", said["stream"])


def test_what_was_proposed_can_be_run_at_once(cli: Cli) -> None:
    name, text, _ = FILES["Spanish"]
    source = cli.text(f"in/{name}", text)
    said = cli("init", "--from", str(source), "--dir", str(cli.folder), "--entity", "lead")
    assert "País" in said.out
    assert "prm-sync check" in said.out
    cli("check")
    flows = cli("run", "pull", "refine", "--json").json["flows"]
    assert [f["state"] for f in flows] == ["done", "done"]
    found = {
        v["field"]: v["value"]
        for v in cli("explain", "lead", "lucia@aceros.example", "--show-values", "--json").json["values"]
    }
    assert found["phone"] == "+34912345678"
    assert found["country"] == "ES"


def test_columns_without_a_place_are_told(folder_only: Cli) -> None:
    source = folder_only.text("in/leads.csv", "Last Name,Email,Shoe Size\nNguyen,an@acme.example,41\n")
    said = folder_only("init", "--from", str(source), "--dir", str(folder_only.folder))
    assert "no field for the column Shoe Size" in said.out


def test_init_overwrites_nothing(folder_only: Cli) -> None:
    path = folder_only.text("prm_sync.yaml", "connections: {}\n")
    said = folder_only("init", code=2)
    assert f"{path.name}: is there already" in said.err
    assert path.read_text() == "connections: {}\n"


def test_an_empty_project_is_valid_and_its_server_ignored_by_git(folder_only: Cli) -> None:
    folder_only.text(".gitignore", "*.pyc")
    said = folder_only("init", "--json").json
    assert {Path(f).name for f in said["files"]} == {"prm_sync.yaml", ".gitignore"}
    assert (folder_only.folder / ".gitignore").read_text() == "*.pyc\n.prm_sync/\n"
    assert read_project(folder_only.folder / "prm_sync.yaml").project.connections == {}


def test_the_commented_examples_are_valid_once_they_are_uncommented(folder_only: Cli) -> None:
    folder_only("init")
    path = folder_only.folder / "prm_sync.yaml"
    text = path.read_text().replace("connections: {}\n", "")
    path.write_text(re.sub(r"^# (?=connections:|  |trust:)", "", text, flags=re.MULTILINE))
    source = read_project(path)
    env = {
        v["env"]: "x"
        for c in yaml.safe_load(path.read_text())["connections"].values()
        for v in c["config"].values()
        if isinstance(v, dict) and "env" in v
    }
    assert source.project.trusted == ("crm", "prm", "portal")
    assert source.project.connections["portal"].kind == "prm"
    for name, connection in source.project.connections.items():
        connection_config(source, name, registry.find(connection.connector).config, env)


def test_a_file_that_is_not_there_is_named(folder_only: Cli) -> None:
    assert "nowhere.csv: there is no such file" in folder_only("init", "--from", "nowhere.csv", code=2).err


def test_an_unknown_language_is_refused_with_those_there_are(folder_only: Cli) -> None:
    source = folder_only.text("in/leads.csv", "Last Name,Email\nNguyen,an@acme.example\n")
    said = folder_only("init", "--from", str(source), "--language", "klingon", code=2)
    assert "--language" in said.err
    assert "'vi'" in said.err
