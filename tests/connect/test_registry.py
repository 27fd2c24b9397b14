"""Connectors found by entry points: real distributions, written into a folder on the path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prm_sync.connect import Connector, registry
from prm_sync.errors import ConfigError

MODULE = """
from prm_sync.connect import Connector
CONNECTOR = Connector(name={name!r}, title="T", kind="crm", config=dict, open=lambda config, context: None)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution with one connector on the path."""

    def put(dist: str, name: str, *, code: str | None = None, value: str = "") -> None:
        module = dist.replace("-", "_")
        where = tmp_path / dist
        info = where / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[prm_sync.connectors]\n{name} = {value or module + ':CONNECTOR'}\n")
        (where / f"{module}.py").write_text(MODULE.format(name=name) if code is None else code)
        monkeypatch.syspath_prepend(str(where))

    yield put
    for module in [m for m in sys.modules if m.startswith("acme_")]:
        del sys.modules[module]


def test_an_installed_connector_is_found_and_listed(install: Install) -> None:
    install("acme-crm", "acmecrm")
    assert "acmecrm" in registry.names()
    assert registry.find("acmecrm").title == "T"


def test_listing_imports_no_connector(install: Install) -> None:
    install("acme-crash", "acmecrash", code="raise RuntimeError('imported')")
    assert "acmecrash" in registry.names()


def test_our_own_connectors_are_listed() -> None:
    assert {"salesforce", "partnerstack", "files"} <= set(registry.names())


def test_an_unknown_name_is_answered_with_the_known_ones_and_a_near_match() -> None:
    with pytest.raises(ConfigError, match=r"no connector 'salesforc'; .*partnerstack.*did you mean 'salesforce'"):
        registry.find("salesforc")


def test_two_packages_that_claim_one_name_are_both_named(install: Install) -> None:
    install("acme-one", "acmecrm")
    install("acme-two", "acmecrm")
    with pytest.raises(ConfigError, match=r"claimed by acme-one .* and acme-two"):
        registry.find("acmecrm")
    assert registry.names().count("acmecrm") == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_library", "no_such_library"),
        ("", "CONNECTOR"),
        ("CONNECTOR = 'x'", "is a str, not a Connector"),
        (MODULE.format(name="other"), "calls itself 'other'"),
    ],
    ids=["not importable", "not there", "not a connector", "another name"],
)
def test_a_broken_package_is_named_with_what_is_wrong(install: Install, code: str, said: str) -> None:
    install("acme-broken", "acmebroken", code=code)
    with pytest.raises(ConfigError, match=said) as raised:
        registry.find("acmebroken")
    assert "acme-broken" in str(raised.value)


def test_a_test_may_register_its_own_connector_for_a_while() -> None:
    mine = Connector(name="salesforce", title="Mine", kind="crm", config=dict, open=lambda config, context: None)  # type: ignore[arg-type, return-value]
    with registry.register(mine):
        assert registry.find("salesforce") is mine
        with registry.register(other := Connector("toy", "Toy", "crm", dict, mine.open)):
            assert registry.find("toy") is other
        assert "toy" not in registry.names()
        assert registry.find("salesforce") is mine


def test_the_registry_imports_no_client_library() -> None:
    script = (
        "import sys; from prm_sync.connect import registry; registry.names();"
        "sys.exit(any(m in sys.modules for m in ('simple_salesforce', 'pandas', 'pyarrow', 'sqlalchemy', 'starlette')))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
