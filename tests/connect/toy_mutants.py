"""Broken toy connectors: for each check of the kit at least one that the check must catch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
from toy import ToyConfig, ToySession

from prm_sync.connect import (
    Change,
    ConnectorError,
    Cursor,
    Done,
    Http,
    Misconfigured,
    Outcome,
    Page,
    RateLimited,
    Record,
    Refused,
    Stream,
    Tenant,
    Unavailable,
)

log = logging.getLogger(__name__)

Pages = Iterator[Page]


class Anonymous(ToySession):
    def check(self) -> Tenant:
        return replace(super().check(), id="")


class Shrugs(ToySession):
    """Wrong credentials look like a good day."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except Misconfigured:
            return Tenant("toy-1", "Toy", sandbox=True)


@dataclass
class OpenConfig:
    """The secret as a plain string."""

    url: str
    secret: Any
    attempts: int = 5
    timeout_s: float = 30
    road: str = "paged"


class Impatient(ToySession):
    """Forgets how long to wait."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except RateLimited as error:
            raise RateLimited(str(error), after_s=0) from None


class Untimed(ToySession):
    """Says that it is unavailable instead of how long to wait."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except RateLimited as error:
            raise Unavailable(str(error), status=429) from None


class OwnClock(ToySession):
    """Waits as long as it likes, whatever the remote asks for."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except RateLimited as error:
            raise RateLimited(str(error), after_s=1.0) from None


class Spender(ToySession):
    """Calls without asking."""

    def client(self, **options: Any) -> Http:
        client = super().client(**options)
        client._limits = ()
        return client


class LateAsker(ToySession):
    """Takes the permit when the call is made already."""

    def client(self, **options: Any) -> Http:
        client = super().client(**options)
        client._limits = ()
        client._observe = lambda response: self.context.budget.take("burst")
        return client


class QuietlySpent(ToySession):
    """Ends in silence when the quota is spent: a part looks like the whole."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        try:
            yield from super().read(s, c, f)
        except ConnectorError as error:
            if type(error).__name__ != "QuotaSpent":
                raise


class NeverRenews(ToySession):
    def client(self, **options: Any) -> Http:
        if "auth" in options:
            options["auth"]._refresh = None
        return super().client(**options)


class LogsInEachTime(ToySession):
    """A new login for every call: vendors lock accounts for that."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        pages = super().read(s, c, f)
        while True:
            self.http._client.auth._token = None  # type: ignore[union-attr]
            page = next(pages, None)
            if page is None:
                return
            yield page


class Babbles(ToySession):
    """Logs what it sends to log in."""

    def login(self) -> str:
        log.debug("logging in with %s", self.config.secret.get_secret_value())
        return super().login()


class Quotes(ToySession):
    """Logs records."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            log.debug("page", extra={"rows": page.records})
            yield page


class TellsTheRemotesWords(ToySession):
    """Puts the record's value into the refusal."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        outcomes = super().write(s, changes)
        return [Refused("X", f"{changes[0].values} is no good") if isinstance(o, Refused) else o for o in outcomes]


class BlurtsTheSecret(ToySession):
    """An error with the secret in it, as some client libraries have it."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except Misconfigured as error:
            secret = self.config.secret.get_secret_value()
            raise Misconfigured("the login failed") from ValueError(f"bad body: secret={secret} {error}")


class Misdeclared(ToySession):
    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return [replace(stream, key="lead_id") for stream in super().discover(only)]


class Repeats(ToySession):
    """Duplicates in a full read."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, records=[*page.records, *page.records[:1]])


class Chatty(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, records=[{**record, "_etag": "x"} for record in page.records])


class Timeless(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        return super().read(s, c, [name for name in f if name != "updated"])


class StrictlyGreater(ToySession):
    """`WHERE updated > last`: loses what shares the last timestamp."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        return super().read(s, {"updated": c["updated"] + 1} if c else None, f)


class Hasty(ToySession):
    """Hands out the cursor of the next page."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        pages = list(super().read(s, c, f))
        for page, following in zip(pages, [*pages[1:], *pages[-1:]], strict=True):
            yield replace(page, cursor=following.cursor)


class Keyset(ToySession):
    """`(updated, id) > (last, last id)`, the textbook cursor: deaf to a late change in the same tick."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        after = dict(c or {})
        while rows := self.http.get_json("/leads", params=after)["leads"]:
            after = {"updated": rows[-1]["updated"], "id": rows[-1]["id"]}
            live = [{k: row[k] for k in f} for row in rows if not row.get("gone")]
            yield Page(live, [row["id"] for row in rows if row.get("gone")], after)


class AlwaysFull(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        return super().read(s, None, f)


class BlindToChanges(ToySession):
    """Pages by id: what was changed below the highest id never comes again."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        highest = c["id"] if c else ""
        for page in super().read(s, None, f):
            records = [record for record in page.records if str(record["id"]) > highest]
            yield replace(page, records=records, cursor={"id": max([highest, *(str(r["id"]) for r in page.records)])})


class Forgets(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, deleted=())


class ForgetsMerges(ToySession):
    """Tells a merge as a plain delete: the record that is left is taken for another one."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, merged={})


class MergesBackwards(ToySession):
    """Tells who was left as who is gone."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, merged={winner: loser for loser, winner in page.merged.items()})


class Leaks(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, cursor={**(page.cursor or {}), "auth": self.login()})


class Hoards(ToySession):
    """Keeps all ids it has seen in the cursor."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        for page in super().read(s, c, f):
            yield replace(page, cursor={**(page.cursor or {}), "seen": "x" * 5000})


class Swallows(ToySession):
    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        try:
            yield from super().read(s, c, f)
        except Unavailable:
            return


class Unordered(ToySession):
    """Answers in the remote's order."""

    def fetch(self, s: Stream, by: str, values: Sequence[str], f: Collection[str]) -> Sequence[Record | None]:
        found = super().fetch(s, by, values, f)
        return sorted(found, key=lambda record: "" if record is None else str(record["id"]))


class LeavesOut(ToySession):
    """Leaves out what is gone, so that the answers move up."""

    def fetch(self, s: Stream, by: str, values: Sequence[str], f: Collection[str]) -> Sequence[Record | None]:
        return [record for record in super().fetch(s, by, values, f) if record is not None]


class OnePosition(ToySession):
    """Keeps where it is in the session instead of in the read."""

    def read(self, s: Stream, c: Cursor | None, f: Collection[str]) -> Pages:
        self.after: dict[str, Any] = {"updated": c["updated"] - 1, "id": "~"} if c else {}
        while rows := self.http.get_json("/leads", params=self.after)["leads"]:
            self.after = {"updated": rows[-1]["updated"], "id": rows[-1]["id"]}
            live = [{k: row[k] for k in f} for row in rows if not row.get("gone")]
            yield Page(live, [row["id"] for row in rows if row.get("gone")], {"updated": self.after["updated"]})


class TextDump(ToySession):
    """Its bulk road gives text where the pages give numbers and null."""

    def dumped(self, row: Record, fields: Collection[str]) -> Record:
        return {k: "" if row[k] is None else str(row[k]) for k in fields}


class CountsOnly(ToySession):
    """Any success makes all a success."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        outcomes = super().write(s, changes)
        good = next((o for o in outcomes if isinstance(o, Done)), None)
        return [good] * len(changes) if good else outcomes


class Drops(ToySession):
    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [o for o in super().write(s, changes) if not isinstance(o, Refused)]


class Inserts(ToySession):
    """Never looks for a match: a retry makes a second record."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return super().write(s, [replace(change, match=None) for change in changes])


class SaysCreated(ToySession):
    """Tells every record as new."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [replace(o, created=True) if isinstance(o, Done) else o for o in super().write(s, changes)]


class Optimist(ToySession):
    """Tells a time-out as a refusal of the record: nobody looks whether it was done."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        try:
            return super().write(s, changes)
        except Unavailable:
            return [Refused("TIMEOUT", "no answer", retry=True)] * len(changes)


class Resends(ToySession):
    """Sends an unsafe write again after a time-out, without a match."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        blind = [replace(change, match=None) for change in changes]
        try:
            return super().write(s, blind)
        except Unavailable:
            super().write(s, blind)
            raise


class Replaces(ToySession):
    """Sets to null what the change does not name."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        whole = [
            replace(c, values={"name": None, "city": None, **c.values}) if c.op == "upsert" else c for c in changes
        ]
        return super().write(s, whole)


class IgnoresUpdates(ToySession):
    """Takes updates and does nothing."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        new = [c for c in changes if c.remote_id is None]
        made = iter(super().write(s, new) if new else [])
        return [next(made) if c.remote_id is None else Done(c.remote_id, created=False) for c in changes]


class NeverDeletes(ToySession):
    """Says that it deleted."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return (
            [Done(str(c.remote_id), created=False) for c in changes]
            if changes[0].op == "delete"
            else super().write(s, changes)
        )


class AsksToTryAgain(ToySession):
    """Refuses deletes, and asks for them again and again."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        if changes[0].op == "delete":
            return [Refused("NOT_SUPPORTED", "this stream does not delete", retry=True)]
        return super().write(s, changes)


class CannotDelete(ToySession):
    """Sound: it says that it cannot delete."""

    def write(self, s: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        if changes[0].op == "delete":
            return [Refused("NOT_SUPPORTED", "this stream does not delete")]
        return super().write(s, changes)


class LeaksByHttpx(ToySession):
    """Shows the request as a plain client raises it: the URL with its query."""

    def check(self) -> Tenant:
        try:
            return super().check()
        except Unavailable:
            httpx.Response(500, request=httpx.Request("GET", "https://x.test/?email=good13@good.example"))
            raise Unavailable("https://x.test/?email=good13@good.example answered 500") from None


MUTANTS: dict[type[ToySession], str] = {
    Anonymous: "check_names_the_tenant",
    Shrugs: "check_refuses_wrong_credentials",
    Impatient: "check_a_rate_limit_says_how_long",
    Untimed: "check_a_rate_limit_says_how_long",
    OwnClock: "check_retry_after_is_honoured",
    Spender: "check_the_budget_is_asked_before_each_call",
    LateAsker: "check_the_budget_is_asked_before_each_call",
    QuietlySpent: "check_the_budget_is_asked_before_each_call",
    NeverRenews: "check_an_expired_token_is_renewed_once_and_the_read_goes_on",
    LogsInEachTime: "check_an_expired_token_is_renewed_once_and_the_read_goes_on",
    Babbles: "check_no_secret_and_no_address_is_logged_or_raised",
    Quotes: "check_no_secret_and_no_address_is_logged_or_raised",
    TellsTheRemotesWords: "check_no_secret_and_no_address_is_logged_or_raised",
    BlurtsTheSecret: "check_no_secret_and_no_address_is_logged_or_raised",
    LeaksByHttpx: "check_no_secret_and_no_address_is_logged_or_raised",
    Misdeclared: "check_the_stream_is_well_declared",
    Repeats: "check_every_record_has_its_key",
    Chatty: "check_records_show_declared_fields_only",
    Timeless: "check_every_record_says_when_it_changed",
    StrictlyGreater: "check_nothing_is_lost_by_a_crash",
    Hasty: "check_nothing_is_lost_by_a_crash",
    Keyset: "check_a_late_change_in_the_same_tick_is_seen",
    AlwaysFull: "check_incremental_brings_the_change_and_little_else",
    BlindToChanges: "check_incremental_brings_the_change_and_little_else",
    Forgets: "check_deletes_come_as_declared",
    ForgetsMerges: "check_a_merge_names_the_record_that_is_left",
    MergesBackwards: "check_a_merge_names_the_record_that_is_left",
    Leaks: "check_the_cursor_is_small_json_without_secrets",
    Hoards: "check_the_cursor_is_small_json_without_secrets",
    Swallows: "check_a_server_error_is_not_swallowed",
    Unordered: "check_fetch_keeps_the_order_and_says_what_is_gone",
    LeavesOut: "check_fetch_keeps_the_order_and_says_what_is_gone",
    OnePosition: "check_two_reads_at_once_give_the_same",
    TextDump: "check_all_roads_give_the_same_records",
    CountsOnly: "check_every_change_has_its_own_outcome",
    Drops: "check_every_change_has_its_own_outcome",
    Inserts: "check_writing_twice_has_the_effect_of_once",
    SaysCreated: "check_writing_twice_has_the_effect_of_once",
    Optimist: "check_a_lost_answer_is_unknown_and_a_repeat_has_the_effect_of_once",
    Resends: "check_a_lost_answer_is_unknown_and_a_repeat_has_the_effect_of_once",
    Replaces: "check_an_update_leaves_other_fields_alone",
    IgnoresUpdates: "check_an_update_leaves_other_fields_alone",
    NeverDeletes: "check_a_delete_works_or_is_refused",
    AsksToTryAgain: "check_a_delete_works_or_is_refused",
}

CONFIG_MUTANTS: dict[type[Any], str] = {OpenConfig: "check_the_config_hides_its_secrets"}

SOUND: tuple[type[ToySession], ...] = (ToySession, CannotDelete)

__all__ = ["CONFIG_MUTANTS", "MUTANTS", "SOUND", "ToyConfig"]
