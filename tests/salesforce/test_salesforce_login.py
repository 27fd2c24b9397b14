"""The settings and the ways to log in, ours and those of simple-salesforce."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceExpiredSession

from prm_sync.connect import Misconfigured
from prm_sync_salesforce import SalesforceConfig
from prm_sync_salesforce.emulator.desk import CLIENT_ID, CLIENT_SECRET
from prm_sync_salesforce.simple import _adapter, simple_salesforce_session

USER = "integration@northwind.example"
MY = {"instance_url": "https://acme.my.salesforce.com"}


@pytest.fixture(scope="module")
def key_pair():
    return make_key_pair()


def make_key_pair():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**MY}, "none is given"),
        ({**MY, "client_id": "a", "client_secret": "b", "session_id": "c"}, "client_secret and session_id are given"),
        ({**MY, "client_secret": "b"}, "client_id is missing"),
        ({"client_id": "a", "client_secret": "b"}, "instance_url is missing"),
        ({"session_id": "c"}, "instance_url is missing"),
        ({**MY, "client_id": "a", "private_key": "k"}, "username is missing"),
        ({**MY, "client_id": "a", "username": "u", "private_key": "k", "private_key_file": "f"}, "not both"),
        ({**MY, "client_id": "a", "client_secret": "b", "username": "u"}, "username goes with private_key"),
        ({"instance_url": "https://login.salesforce.com", "client_id": "a", "client_secret": "b"}, "My Domain"),
        ({"instance_url": "acme.my.salesforce.com", "client_id": "a", "client_secret": "b"}, "whole address"),
        (
            {"instance_url": "https://acme.lightning.force.com", "client_id": "a", "client_secret": "b"},
            "user interface",
        ),
        (
            {"instance_url": "https://acme.my.salesforce.com/x", "client_id": "a", "client_secret": "b"},
            "without a path",
        ),
        ({**MY, "client_id": "a", "client_secret": "b", "api_version": "v66"}, "api_version"),
        ({**MY, "client_id": "a", "client_secret": "b", "objects": []}, "at least one"),
        ({**MY, "client_id": "a", "client_secret": "b", "password": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_themselves_are_worded(given, words):
    with pytest.raises(ValidationError, match=words) as raised:
        SalesforceConfig.model_validate(given)
    assert "'b'" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_the_audience_follows_the_kind_of_org(url, audience):
    given = {"login_url": url, "client_id": "a", "username": "u", "private_key": "k"}
    assert SalesforceConfig.model_validate(given).jwt_audience == audience


def test_a_signed_assertion_logs_in(org, key_pair, tmp_path):
    private, public = key_pair
    org.clock.set_skew(timedelta())  # the assertion is signed by the real clock
    org.desk.keys[USER] = public
    file = tmp_path / "key.pem"
    file.write_text(private)
    for more in ({"private_key": private}, {"private_key_file": file}):
        with org.open(client_secret=None, username=USER, **more) as session:
            assert session.check().name == "Northwind Traders"
    org.desk.keys.clear()
    with (
        org.open(client_secret=None, username=USER, private_key=private) as session,
        pytest.raises(Misconfigured, match="approved"),
    ):
        session.check()


def test_a_key_file_that_is_not_there_is_worded(org, tmp_path):
    missing = tmp_path / "none.pem"
    with (
        org.open(client_secret=None, username=USER, private_key_file=missing) as session,
        pytest.raises(Misconfigured, match="private_key_file"),
    ):
        session.check()


def test_an_app_without_a_user_to_run_as_is_refused(make_org):
    org = make_org(run_as_user=False)
    with org.open() as session, pytest.raises(Misconfigured, match="run-as user"):
        session.check()


# --- simple-salesforce itself ---------------------------------------------------------------------------------


@pytest.fixture
def web(org):
    """A requests session that reaches the org under any https address."""
    with requests.Session() as session:
        session.mount("https://", _adapter(org.url, 5))
        yield session


def test_simple_salesforce_logs_in_with_client_credentials(org, web):
    client = Salesforce(consumer_key=CLIENT_ID, consumer_secret=CLIENT_SECRET, domain="acme.my", session=web)
    assert client.is_sandbox() is True
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        Salesforce(consumer_key=CLIENT_ID, consumer_secret="wrong", domain="acme.my", session=web)


def test_simple_salesforce_logs_in_with_a_signed_assertion(org, web, key_pair):
    private, public = key_pair
    org.clock.set_skew(timedelta())  # the assertion is signed by the real clock
    org.desk.keys[USER] = public
    client = Salesforce(username=USER, consumer_key=CLIENT_ID, privatekey=private, domain="login", session=web)
    assert client.query("SELECT Id FROM User")["totalSize"] == 1
    other, _ = make_key_pair()
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid assertion"):
        Salesforce(username=USER, consumer_key=CLIENT_ID, privatekey=other, domain="login", session=web)


def test_simple_salesforce_logs_in_with_a_password(org, web):
    org.desk.passwords[USER] = "pass+token"
    client = Salesforce(
        username=USER, password="pass+token", consumer_key=CLIENT_ID, consumer_secret=CLIENT_SECRET, session=web
    )
    assert client.query("SELECT Id FROM User")["totalSize"] == 1


def test_our_session_lends_its_token_to_simple_salesforce(org):
    org.leads(3)
    with org.open() as session:
        session.check()
        client = session.simple()
        assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 3
        assert client.Lead.describe()["name"] == "Lead"
        client.session.close()
    assert org.desk.logins == 1


def test_a_borrowed_token_that_expired_is_told(org):
    client = simple_salesforce_session(org.config(), org.desk.new_token())
    org.desk.expire_tokens()
    with pytest.raises(SalesforceExpiredSession):
        client.query("SELECT Id FROM Lead")
    client.session.close()


def test_no_call_of_a_borrowed_session_waits_for_ever(org):
    client = simple_salesforce_session(org.config(timeout_s=0.3), org.desk.new_token())
    org.faults.slow(2, path="*/query/")
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.query("SELECT Id FROM Lead")
    client.session.close()
