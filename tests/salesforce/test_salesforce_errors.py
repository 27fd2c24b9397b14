"""What Salesforce's answers mean, one by one, and that nothing of them is shown that must not be."""

from __future__ import annotations

import logging

import httpx
import pytest

from prm_sync.connect import (
    Context,
    ContractBroken,
    CursorExpired,
    Misconfigured,
    QuotaSpent,
    RateLimited,
    Unavailable,
)
from prm_sync_salesforce import CONNECTOR, SalesforceConfig
from prm_sync_salesforce.errors import refused, without_values

TOKEN = {"access_token": "00DxxTOKEN", "instance_url": "https://acme.my.salesforce.com", "token_type": "Bearer"}
SECRET = "the-client-secret"


def asked(answer, token=None, **config):
    """`check` where every call after the login is answered by `answer`."""

    def handle(request):
        if request.url.path.endswith("/token"):
            return token or httpx.Response(200, json=TOKEN)
        return answer

    given = {
        "instance_url": "https://acme.my.salesforce.com",
        "client_id": "id",
        "client_secret": SECRET,
        "attempts": 1,
    }
    settings = SalesforceConfig.model_validate({**given, **config})
    context = Context("sf", _Free(), logging.getLogger("t"), lambda n, v: None, httpx.MockTransport(handle))
    with CONNECTOR.open(settings, context) as session:
        return session.check()


class _Free:
    def take(self, *limits, cost=1): ...

    def learn(self, limit, *, left, resets_in_s): ...


def rest(status, code, message="words of theirs with a@b.example", **more):
    return httpx.Response(status, json=[{"errorCode": code, "message": message, **more}])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (rest(401, "INVALID_SESSION_ID"), Misconfigured),
        (rest(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), QuotaSpent),
        (
            rest(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
            RateLimited,
        ),
        (rest(403, "API_DISABLED_FOR_ORG"), Misconfigured),
        (rest(403, "API_CURRENTLY_DISABLED"), Misconfigured),
        (rest(403, "INSUFFICIENT_ACCESS"), Misconfigured),
        (rest(403, "A_NEW_CODE"), Misconfigured),
        (rest(400, "INVALID_TYPE"), Misconfigured),
        (rest(400, "INVALID_FIELD"), Misconfigured),
        (rest(400, "MALFORMED_QUERY"), ContractBroken),
        (rest(400, "INVALID_QUERY_LOCATOR"), CursorExpired),
        (rest(400, "INVALID_REPLICATION_DATE"), CursorExpired),
        (rest(400, "QUERY_TIMEOUT"), Unavailable),
        (rest(400, "A_NEW_CODE"), ContractBroken),
        (rest(404, "NOT_FOUND"), ContractBroken),
        (rest(410, "GONE"), Misconfigured),
        (rest(500, "UNKNOWN_EXCEPTION"), Unavailable),
        (rest(500, "A_NEW_CODE"), Unavailable),
        (rest(503, "SERVER_UNAVAILABLE"), Unavailable),
        (httpx.Response(503, html="<html>Down for maintenance</html>"), Unavailable),
        (httpx.Response(200, html="<html>Down for maintenance</html>"), Unavailable),
        (httpx.Response(406, html="<html>no</html>"), Unavailable),
        (httpx.Response(420, html="<html>no</html>"), Unavailable),
        (httpx.Response(414, html="<html>Bad Message 414</html>"), ContractBroken),
        (httpx.Response(401, html="<html>gateway</html>"), Misconfigured),
        (httpx.Response(200, json={"totalSize": 0, "done": True, "records": []}), Misconfigured),
    ],
    ids=lambda v: f"{v.status_code}-{v.text[:40]}" if isinstance(v, httpx.Response) else v.__name__,
)
def test_an_answer_of_salesforce_is_this_error(answer, kind):
    with pytest.raises(kind) as raised:
        asked(answer)
    assert type(raised.value) is kind
    assert "a@b.example" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "error", "kind", "hint"),
    [
        (400, "invalid_grant", Misconfigured, "approved"),
        (400, "invalid_client_id", Misconfigured, "consumer key"),
        (400, "invalid_client", Misconfigured, "consumer secret"),
        (400, "unsupported_grant_type", Misconfigured, "flow"),
        (400, "rate_limit_exceeded", RateLimited, "logins"),
        (400, "something_new", Misconfigured, "refused"),
    ],
)
def test_a_refused_login_says_what_to_do(status, error, kind, hint):
    body = {"error": error, "error_description": f"words about {SECRET}"}
    with pytest.raises(kind, match=hint) as raised:
        asked(httpx.Response(200), token=httpx.Response(status, json=body))
    assert raised.value.code == error
    assert SECRET not in str(raised.value)


def test_a_login_that_names_an_instance_without_tls_is_not_followed():
    token = httpx.Response(200, json={**TOKEN, "instance_url": "http://evil.example"})
    with pytest.raises(ContractBroken, match="https"):
        asked(httpx.Response(200), token=token)


def test_a_next_page_at_another_host_is_not_followed():
    page = {"totalSize": 2, "done": False, "nextRecordsUrl": "https://evil.example/next", "records": []}
    with pytest.raises(ContractBroken, match=r"evil\.example"):
        asked(httpx.Response(200, json=page))


def test_a_retired_version_names_the_setting():
    with pytest.raises(Misconfigured, match="api_version"):
        asked(rest(410, "GONE"))


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("UNABLE_TO_LOCK_ROW", True), ("UNKNOWN_EXCEPTION", True), ("SERVER_UNAVAILABLE", True),
        ("DUPLICATES_DETECTED", False), ("DUPLICATE_VALUE", False), ("REQUIRED_FIELD_MISSING", False),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", False), ("STRING_TOO_LONG", False), ("STORAGE_LIMIT_EXCEEDED", False),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", False), ("A_NEW_CODE", False),
    ],
)  # fmt: skip
def test_only_passing_troubles_are_worth_a_repeat(code, retry):
    outcome = refused([{"statusCode": code, "message": "words", "fields": []}], {})
    assert (outcome.code, outcome.retry, outcome.field) == (code, retry, None)


def test_a_trigger_that_met_a_lock_is_worth_a_repeat():
    message = "LeadTrigger: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"
    error = {"statusCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "message": message}
    assert refused([error], {}).retry


def test_words_of_a_refusal_lose_the_values_of_the_record():
    message = "Email: invalid email address: ann@x.example; data value too large: Anna (max length=3)"
    cleaned = without_values(message, {"Email": "ann@x.example", "FirstName": "Anna", "DoNotCall": True})
    assert cleaned == "Email: invalid email address: ***; data value too large: *** (max length=3)"
