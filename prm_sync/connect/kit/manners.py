"""What every connector promises about credentials, limits and secrets."""

from __future__ import annotations

import traceback

from prm_sync.connect.kit.bench import (
    Bench,
    CountingBudget,
    NotApplicable,
    captured_logs,
    context,
    names_of,
    opened,
    pages_of,
    replay,
    seeded,
    stream_of,
    upsert,
)
from prm_sync.connect.protocol import Change, ConnectorError, Misconfigured, QuotaSpent, RateLimited


def check_names_the_tenant(bench: Bench) -> None:
    with opened(bench) as (session, _):
        tenant = session.check()
    assert tenant.id, "the tenant has no id"
    assert tenant.name, "the tenant has no name"


def check_refuses_wrong_credentials(bench: Bench) -> None:
    try:
        with bench.connector.open(bench.config(good=False), context()) as session:
            session.check()
    except Misconfigured:
        return
    raise AssertionError("wrong credentials must raise Misconfigured")


def check_the_config_hides_its_secrets(bench: Bench) -> None:
    for config in (bench.config(), bench.config(good=False)):
        shown = f"{config!r} {config}"
        assert not any(secret in shown for secret in bench.secrets), "the config shows a secret: make it a SecretStr"


def check_a_rate_limit_says_how_long(bench: Bench) -> None:
    assert _limited_s(bench, None) > 0, "RateLimited.after_s must be more than 0"


def check_retry_after_is_honoured(bench: Bench) -> None:
    after_s = _limited_s(bench, 17)
    assert 15 <= after_s <= 18, f"the remote asked for 17 s, the connector says {after_s}"


def _limited_s(bench: Bench, retry_after_s: float | None) -> float:
    with opened(bench) as (session, _):
        bench.fail(429, retry_after_s)
        try:
            session.check()
        except RateLimited as error:
            return error.after_s
    raise AssertionError("too many calls must raise RateLimited")


def check_the_budget_is_asked_before_each_call(bench: Bench) -> None:
    if not bench.connector.limits:
        raise NotApplicable("the connector declares no limits")
    seeded(bench, 8)
    counting, before = CountingBudget(), bench.calls()
    list(pages_of(bench, None, counting))
    made = bench.calls() - before
    assert counting.taken >= made, f"{made} calls with {counting.taken} permits"
    # Half of the permits are missing: whoever asks after the call, or ends the read in silence, is seen now.
    tight, before = CountingBudget(permits=counting.taken // 2), bench.calls()
    try:
        list(pages_of(bench, None, tight))
    except QuotaSpent:
        made = bench.calls() - before
        assert made <= tight.permits, f"{made} calls with {tight.permits} permits"
        return
    raise AssertionError("a budget that is used up must end the read with QuotaSpent")


def check_an_expired_token_is_renewed_once_and_the_read_goes_on(bench: Bench) -> None:
    ids = seeded(bench, 8)
    key = stream_of(bench).key
    pages = pages_of(bench, None)
    seen = [str(record[key]) for record in next(pages).records]
    if not bench.expire_token():
        raise NotApplicable("the bench cannot expire a token")
    before = bench.logins()
    seen += [str(record[key]) for page in pages for record in page.records]
    assert set(seen) == set(ids), f"the read did not go on: {len(set(seen))} of {len(ids)} records"
    assert bench.logins() - before == 1, f"{bench.logins() - before} logins for one expired token"


def check_no_secret_and_no_address_is_logged_or_raised(bench: Bench) -> None:
    """Goes through good and bad days with all loggers at DEBUG; looks for the secrets, and for e-mail addresses of
    records (as the values that are easy to tell from other words)."""
    seeded(bench, 4)
    held, _ = replay(bench, None)
    values = [bench.good_values(13), bench.bad_values(), *(record or {} for record in held.values())]
    addresses = {v for record in values for v in record.values() if isinstance(v, str) and "@" in v[1:-1]}
    shown: list[str] = []
    raised = 0
    with captured_logs() as logged:
        for good, status in ((True, 0), (True, 500), (True, 403), (False, 0)):
            try:
                with bench.connector.open(bench.config(good=good), context()) as session:
                    if status:
                        bench.fail(status)
                    session.check()
                    stream = session.discover([bench.stream])[0]
                    list(session.read(stream, None, names_of(stream)))
                    if stream.write_batch:
                        changes = [upsert(stream, "t13", values[0]), Change("upsert", "t14", values[1])]
                        shown += [repr(outcome) for outcome in session.write(stream, changes)]
            except ConnectorError as error:
                raised += 1
                shown.append("".join(traceback.format_exception(error)))
    assert raised == 3, "a server error, a refused call and wrong credentials must each raise a ConnectorError"
    for text in (*shown, *logged):
        assert not any(secret in text for secret in bench.secrets), "a secret is shown in a log record or an error"
        assert not any(address in text for address in addresses), "a record's value is shown in a log or an error"
