"""Ways to log in."""

from __future__ import annotations

import threading
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from prm_sync.connect import BearerToken, Misconfigured, basic, jwt_assertion


class Door:
    """A server that lets in the newest token only, and a login that makes one."""

    def __init__(self) -> None:
        self.valid, self.logins, self.calls = "t0", 0, 0

    def login(self) -> str:
        time.sleep(0.02)
        self.logins += 1
        self.valid = f"t{self.logins}"
        return self.valid

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return httpx.Response(200 if request.headers["authorization"] == f"Bearer {self.valid}" else 401)


def client(door: Door, auth: httpx.Auth) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(door), auth=auth, base_url="https://api.test")


def test_a_stale_token_is_renewed_and_the_request_repeated_once() -> None:
    door = Door()
    with client(door, BearerToken(lambda: "stale", door.login)) as c:
        assert c.get("/").status_code == 200
        assert c.get("/").status_code == 200
    assert (door.logins, door.calls) == (1, 3)


def test_a_login_that_does_not_help_is_tried_once_a_request() -> None:
    door = Door()
    logins: list[str] = []
    with client(door, BearerToken(lambda: "stale", lambda: logins.append("x") or f"bad{len(logins)}")) as c:
        assert c.get("/").status_code == 401
    assert (len(logins), door.calls) == (1, 2)


def test_without_a_refresh_a_401_is_final() -> None:
    door = Door()
    with client(door, BearerToken(lambda: "stale")) as c:
        assert c.get("/").status_code == 401
    assert door.calls == 1


def test_threads_that_see_the_same_stale_token_log_in_once() -> None:
    door = Door()
    statuses: list[int] = []
    gate = threading.Barrier(6)
    with client(door, BearerToken(lambda: "stale", door.login)) as c:

        def ask() -> None:
            gate.wait()
            statuses.append(c.get("/").status_code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 6
    assert door.logins == 1


def test_the_first_token_is_asked_for_once() -> None:
    door = Door()
    asked: list[int] = []
    with client(door, BearerToken(lambda: asked.append(1) or "t0")) as c:
        assert [c.get("/").status_code for _ in range(3)] == [200] * 3
    assert len(asked) == 1


def test_basic_takes_a_public_and_a_secret_key() -> None:
    request = next(basic("pk", SecretStr("sk")).auth_flow(httpx.Request("GET", "https://api.test")))
    assert request.headers["authorization"] == "Basic cGs6c2s="


def test_an_assertion_says_who_asks_whom_and_for_how_long() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    token = jwt_assertion(SecretStr(pem), issuer="app", subject="user", audience="https://login.test", now_s=1000.7)
    options = {"verify_exp": False}
    claims = jwt.decode(token, key.public_key(), ["RS256"], audience="https://login.test", options=options)
    assert claims == {"iss": "app", "sub": "user", "aud": "https://login.test", "exp": 1180}


def test_a_key_that_is_none_is_misconfigured_and_not_shown() -> None:
    for text in ("s3cret", "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----", ""):
        with pytest.raises(Misconfigured) as raised:
            jwt_assertion(SecretStr(text), issuer="a", subject="b", audience="c")
        assert "s3cret" not in f"{raised.value!r}"
