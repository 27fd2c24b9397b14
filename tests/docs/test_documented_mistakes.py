"""docs/bad-input.md says what the program says: each documented message is provoked and compared."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from prm_sync.connect import registry
from prm_sync.connect.budget import LocalBudget
from prm_sync.connect.protocol import Context, Record
from prm_sync.errors import PrmSyncError
from prm_sync.project import Limits, connection_config, read_project, shipped
from prm_sync.rules.drift import Shape, differences, uses_of
from prm_sync.rules.mapping import Fault, compile_mapping, load_mapping
from prm_sync.rules.reconcile import PlanCounts, within
from prm_sync.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
HOST = "https://acme.my.salesforce.com"
SALESFORCE = {"instance_url": HOST, "client_id": "x", "client_secret": "s3cret", "attempts": 1}
PARTNERSTACK = {"public_key": "pk", "secret_key": "sk", "attempts": 1}


def documented() -> dict[str, str]:
    """What is given -> what is said, by the tables of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")]
    said = {row[0].strip(): re.search(r"(`+)(.+?)\1", row[1]) for row in rows if row[0].strip() != "given"}
    return {given: found[2] for given, found in said.items() if found}


def same(message: str, pattern: str) -> bool:
    """Whether the program's words are the page's; code is quoted by ' in it, since a cell is code already."""
    parts = re.split(r"<[a-z]+>", pattern.replace("`", "'"))
    return re.fullmatch(".+".join(map(re.escape, parts)), message.replace("`", "'")) is not None


def project(folder: Path, text: str) -> Any:
    (folder / "prm_sync.yaml").write_text(text, encoding="utf-8")
    return read_project(folder / "prm_sync.yaml")


def connector_of(folder: Path, name: str) -> None:
    known = {n: registry.find(n).config for n in registry.names()}
    project(folder, f"connections:\n  crm: {{connector: {name}}}\n").check_connectors(known)


def secret_given(folder: Path, secret: str) -> None:
    config = f'{{instance_url: "https://a.my.salesforce.com", client_id: x, client_secret: {secret}}}'
    found = project(folder, f"connections:\n  crm:\n    connector: salesforce\n    config: {config}\n")
    connection_config(found, "crm", registry.find("salesforce").config, {})


def mapping(folder: Path, line: str) -> None:
    path = folder / "lead.yaml"
    path.write_text(f"from: salesforce.Lead\nto: lead\nfields:\n  {line}\n", encoding="utf-8")
    load_mapping(path)


def checked(name: str, config: dict[str, Any], answer: Callable[[httpx.Request], httpx.Response]) -> None:
    connector = registry.find(name)
    connection = "crm" if name == "salesforce" else "prm"
    budget = LocalBudget(connection, connector.limits)
    context = Context(connection, budget, logging.getLogger("test"), lambda *_: None, httpx.MockTransport(answer))
    with connector.open(connector.config(**config), context) as session:
        session.check()


def answering(status: int, body: Any = None) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, json=body)


def raising(error: type[httpx.TransportError]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("injected", request=request)

    return answer


def records(folder: Path, name: str, data: bytes) -> list[Record]:
    (folder / name).write_bytes(data)
    files = registry.find("files")
    context = Context("lists", LocalBudget("lists", ()), logging.getLogger("test"), lambda *_: None)
    with files.open(files.config(folder=folder), context) as session:
        stream = session.discover([Path(name).stem])[0]
        return [r for page in session.read(stream, None, [f.name for f in stream.fields]) for r in page.records]


OUR_LEADS = b"Our leads\nName,Email,Phone\na,b,c\nd,e,f\n"
WIDE = ",".join(f"c{n}" for n in range(1700)).encode() + b"\n"
REFUSED: dict[str, Callable[[Path], object]] = {
    "no project here": lambda d: read_project(d / "prm_sync.yaml"),
    "a misspelt key": lambda d: project(d, "conections: {}\n"),
    "the same connection name twice": lambda d: project(
        d, "connections:\n  crm: {connector: files}\n  crm: {connector: files}\n"
    ),
    "a connector that is not installed": lambda d: connector_of(d, "salesfroce"),
    "a secret in the file": lambda d: secret_given(d, "hunter2"),
    "its variable is not set": lambda d: secret_given(d, "{env: CRM_SECRET}"),
    "a schedule that is none": lambda d: project(d, "schedules: {pull: hourly}\n"),
    "a tab in YAML": lambda d: project(d, "connections:\n\tcrm: 1\n"),
    "a database that is not PostgreSQL": lambda d: Settings.from_env({"PRM_SYNC_DATABASE_URL": "mysql://x"}, d),
    "an unknown canonical field": lambda d: mapping(d, "emial: Email"),
    "an unknown function": lambda d: mapping(d, "domain: {from: Email, do: wrok_domain}"),
    "a choice that the field does not have": lambda d: mapping(d, "status: {from: Status, choices: {Open: opened}}"),
    "a wrong password or secret (Salesforce)": lambda d: checked(
        "salesforce", SALESFORCE, answering(400, {"error": "invalid_client"})
    ),
    "wrong keys (PartnerStack)": lambda d: checked("partnerstack", PARTNERSTACK, answering(401)),
    "a host that cannot be reached": lambda d: checked("salesforce", SALESFORCE, raising(httpx.ConnectError)),
    "no answer in time": lambda d: checked("salesforce", SALESFORCE, raising(httpx.ReadTimeout)),
    "the remote has a fault": lambda d: checked("salesforce", SALESFORCE, answering(503)),
    "too many calls": lambda d: checked("partnerstack", PARTNERSTACK, answering(429)),
    "an empty file": lambda d: records(d, "leads.csv", b""),
    "a CSV in an old Windows encoding": lambda d: records(d, "leads.csv", "Name\nJürgen\n".encode("cp1252")),
    "a corrupt CSV": lambda d: records(d, "leads.csv", b"Name,Email\n\x00\x00\x01,a\n"),
    "a web page that is called XLSX": lambda d: records(d, "leads.xlsx", b"<html><table>"),
    "a title over the header": lambda d: records(d, "leads.csv", OUR_LEADS),
    "a column name twice": lambda d: records(d, "leads.csv", b"Name,Name\na,b\n"),
    "more than 1,600 columns": lambda d: records(d, "leads.csv", WIDE),
}


@pytest.mark.parametrize("given", REFUSED)
def test_a_refusal_is_in_the_words_of_the_page(given: str, tmp_path: Path) -> None:
    with pytest.raises(PrmSyncError) as refused:
        REFUSED[given](tmp_path)
    message = str(refused.value)
    assert same(message, documented()[given]), message


def test_a_row_with_too_few_cells_is_a_record_with_the_reason_of_the_page(tmp_path: Path) -> None:
    found = records(tmp_path, "leads.csv", b"Name,Email,City\na,b,c\na\n")
    assert found[1]["__error__"] == documented()["a row with too few cells"]


RECORDS: dict[str, dict[str, Any]] = {
    "a lead without e-mail and telephone": {"LastName": "Groß"},
    "a picklist value that no mapping knows": {"Email": "a@b.example", "Status": "Parked"},
    "something that is no e-mail address": {"Email": "nobody", "Phone": "+4930901820"},
    "a telephone number that cannot be one": {"Email": "a@b.example", "Phone": "12", "Country": "Germany"},
    "a country that nobody knows": {"Email": "a@b.example", "Country": "Gremany"},
    "a time that is none": {"Email": "a@b.example", "CreatedDate": "yesterday"},
    "an amount that is none": {"Email": "a@b.example", "Budget__c": "lots", "CurrencyIsoCode": "EUR"},
}


@pytest.mark.parametrize("given", RECORDS)
def test_a_bad_record_is_quarantined_in_the_words_of_the_page(given: str) -> None:
    faults: list[Fault] = []
    compile_mapping(load_mapping(shipped("mappings") / "salesforce" / "lead.yaml"), "crm").run(RECORDS[given], faults)
    assert [f.reason for f in faults] == [documented()[given]]
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {given} |"))
    assert row.rstrip(" |").endswith("record" if faults[0].fatal else "field")


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ("a push that makes too many records", PlanCounts(create=6000, update=0, delete=0)),
        ("a source that was emptied", PlanCounts(create=0, update=0, delete=90)),
        ("too many changes", PlanCounts(create=0, update=80, delete=0)),
    ],
)
def test_a_held_plan_is_told_in_the_words_of_the_page(given: str, counts: PlanCounts) -> None:
    held = within(counts, Limits(), 90)
    assert held is not None
    assert same(held.message, documented()[given]), held.message


TEXT, LONG = Shape("text", writable=True), Shape("text", length=255)
STATUS = Shape("choice", ("Open - Not Contacted",))
DRIFTED: dict[str, tuple[str, Shape | None, Shape | None]] = {
    "a field that a mapping reads is gone": ("City", TEXT, None),
    "it has another type": ("City", TEXT, Shape("number", writable=True)),
    "a field of `back:` can no longer be written": ("Prm_Partner__c", TEXT, Shape("text")),
    "a new picklist value": ("Status", STATUS, Shape("choice", ("Open - Not Contacted", "Parked"))),
    "a text field that was made shorter": ("Company", LONG, Shape("text", length=40)),
    "a field that must be given now": ("Region__c", TEXT, Shape("text", writable=True, required=True)),
}


@pytest.mark.parametrize("given", DRIFTED)
def test_drift_is_told_in_the_words_of_the_page(given: str) -> None:
    name, before, after = DRIFTED[given]
    spec = load_mapping(shipped("mappings") / "salesforce" / "lead.yaml")
    (found,) = differences(
        {name: before} if before else {}, {name: after} if after else {}, uses_of([spec], {name})
    )
    assert same(found.message, documented()[given].strip()), found.message
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {given} |"))
    assert row.rstrip(" |").endswith(found.severity)


#: what `tests/flows` provokes, with these words: test_drift, test_corrections, test_reconciliation
BY_FLOWS = {
    "a field of `when` is gone", "a correction of a field that is not there", "a full read that lacks too many records",
}  # fmt: skip


def test_every_message_of_the_page_is_provoked_here() -> None:
    held = {"a push that makes too many records", "a source that was emptied", "too many changes"}
    known = {*REFUSED, *RECORDS, *DRIFTED, *BY_FLOWS, *held, "a row with too few cells", "500 columns"}
    assert set(documented()) <= known
