"""What must not be seen in a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.connect import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-ghi_123", "Authorization: Bearer ***"),
        ("Authorization: Basic cGs6c2tzZWNyZXQ=", "Authorization: Basic ***"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln!", "token ***!"),
        ("sid 00Dxx0000001gPL!AQcAQH0dMHZfz972Szmpkb58.x here", "sid *** here"),
        ("grant&access_token=abc&client_secret=d/e f", "grant&access_token=***&client_secret=*** f"),
        ("/leads/Email__c/jane.doe+x@example.co.uk", "/leads/Email__c/***"),
        ("/leads/jane%40example.org/x", "/leads/***/x"),
        ("duplicate of <jane@example.org>", "duplicate of <***>"),
        ("GET /services/data/v65.0/query answered 400 (MALFORMED_QUERY)", None),
        ("acme-eu: our share of api is used up for 60 s", None),
    ],
)
def test_tokens_and_addresses_are_hidden_and_the_rest_is_kept(text: str, shown: str | None) -> None:
    assert redact(text) == (text if shown is None else shown)


@given(st.text(min_size=4, max_size=30).filter(lambda s: "*" not in s), st.text(max_size=20), st.text(max_size=20))
def test_a_given_secret_never_survives(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before}{secret}{after}", [secret])


def test_a_secret_is_hidden_in_its_url_form_and_the_longer_of_two_first() -> None:
    assert redact("q=a%2Fb%20c and a/b+c and a/b c", ["a/b c"]) == "q=*** and a/b+c and ***"
    assert redact("key-1-long key-1", ["key-1", "key-1-long"]) == "*** ***"
    assert redact("nothing given", ["", "x9"]) == "nothing given"
