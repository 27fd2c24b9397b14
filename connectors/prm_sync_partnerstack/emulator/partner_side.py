"""The other hand on the account: what partners do in their portal, and what finance does to rewards.

Of a partner's answer only `approved` and `status` are documented in the API; that the portal writes
`fields.answered_at`, `fields.decline_reason` and `fields.stage` is assumed (they are custom fields of the lead form).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prm_sync_partnerstack.emulator.account import OWNED, Account, ApiError
from prm_sync_partnerstack.emulator.objects import LEAD_STATUSES, PAYMENT_STATUSES, REWARD_STATUSES, Row

REWARD_SHARE = 10  #: percent of a transaction that its partner earns


class PartnerSide:
    """Deeds of partners. Times are epoch milliseconds, None is now. Raises ApiError where the portal would."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def answer(self, lead_key: str, accepted: bool, reason: str | None = None, at: int | None = None) -> Row:
        """The partner takes or declines a lead; its status stays as it is, so that it can go to another partner."""
        fields: Row = {"answered_at": at if at is not None else self._account.now_ms()}
        if reason is not None:
            fields["decline_reason"] = reason
        return self._change_lead(lead_key, {"approved": accepted}, fields)

    def progress(
        self,
        lead_key: str,
        status: str | None = None,
        stage: str | None = None,
        amount: int | None = None,
        at: int | None = None,
    ) -> Row:
        """How far the partner is: `status` of the lead, `stage` in the partner's words, `amount` in cents."""
        if status is not None and status not in LEAD_STATUSES:
            raise ApiError(400, f"status must be one of {', '.join(LEAD_STATUSES)}")
        told = {"status": status, "amount": amount}
        fields = {"stage": stage, "progress_at": at if at is not None else self._account.now_ms()}
        return self._change_lead(lead_key, _given(told), _given(fields))

    def submit_lead(self, partner_key: str, values: Mapping[str, Any]) -> Row:
        """A lead that the partner brings; it is already theirs."""
        test = self._is_test(partner_key)
        body = {"status": "open", "approved": True, **values, "partner_key": partner_key}
        return self._account.create("leads", body, test=test)

    def edit_lead(self, lead_key: str, values: Mapping[str, Any]) -> Row:
        """What the vendor's own people change in a lead, over there (partners may not)."""
        return self._account.patch("leads", lead_key, values, test=False)

    def register_deal(self, partner_key: str, values: Mapping[str, Any]) -> Row:
        """A deal that the partner claims, at the first stage of the sales cycle unless `values` says another."""
        test = self._is_test(partner_key)
        body = {"stage": self._account.stages[0], **values, "source": "partner", "partner_key": partner_key}
        return self._account.create("deals", body, test=test)

    def edit_deal(self, deal_key: str, values: Mapping[str, Any]) -> Row:
        """Partners may change a deal after they registered it (but not a lead)."""
        return self._account.patch("deals", deal_key, values, test=False)

    def reward(self, transaction_key: str) -> Row | None:
        """The reward that a transaction earns, on hold; None for test rows, which earn nothing."""
        store = self._account.store
        transaction = store["transactions"].get(transaction_key)
        if transaction is None:
            raise ApiError(404, "Transaction not found")
        customer = transaction.get("customer") or {}
        partner = next(iter(store["partnerships"].find("partner_key", customer.get("partner_key"))), None)
        if partner is None or transaction["test"]:
            return None
        cents = transaction["amount"] * REWARD_SHARE // 100
        row = {
            "amount": cents, "currency": transaction["currency"], "description": "Share of a sale",
            "partnership": {"key": partner["key"], "partner_key": partner["partner_key"], "email": partner["email"]},
            "customer": {"key": customer.get("key"), "external_key": customer.get("external_key")},
            "transaction": transaction_key,
        }  # fmt: skip
        [key] = self._account.load("rewards", [row])
        return self._account.shown(store["rewards"].get(key) or {})

    def merge(self, name: str, loser: str, winner: str) -> Row:
        """A teammate makes one record of two: the loser is archived and names the winner, who gets what it owned.

        That an archived row shows `merged_into` is assumed.
        """
        store = self._account.store
        with store.lock:
            left, gone = store[name].get(winner), store[name].get(loser)
            if left is None or gone is None or left["archived"] or gone["archived"]:
                raise ApiError(404, "there are no such two records")
            store[name].update(loser, {"archived": True, "merged_into": winner})
            for owned in OWNED if name == "partnerships" else ():
                for row in store[owned].find("partner_key", gone["partner_key"]):
                    link = {"partner_key": left["partner_key"], "partnership_key": left["key"]}
                    store[owned].update(str(row["key"]), link)
            return self._account.shown(store[name].update(winner, {}))

    def settle_reward(
        self, reward_key: str, reward_status: str | None = None, payment_status: str | None = None
    ) -> Row:
        """Finance approves or pays a reward; `created_at` stays, and no filter of the API tells of the change."""
        if reward_status not in (None, *REWARD_STATUSES) or payment_status not in (None, *PAYMENT_STATUSES):
            raise ApiError(400, "no such status")
        told = {"reward_status": reward_status, "payment_status": payment_status}
        row = self._account.store["rewards"].update(reward_key, _given(told))
        return self._account.shown(row)

    def _change_lead(self, lead_key: str, values: Row, fields: Row) -> Row:
        table = self._account.store["leads"]
        with self._account.store.lock:
            lead = table.get(lead_key)
            if lead is None or lead["archived"]:
                raise ApiError(404, "Lead not found")
            row = table.update(lead_key, {**values, "fields": {**(lead["fields"] or {}), **fields}})
            return self._account.shown(row)

    def _is_test(self, partner_key: str) -> bool:
        partner = next(iter(self._account.store["partnerships"].find("partner_key", partner_key)), None)
        if partner is None:
            raise ApiError(404, "Partnership not found")
        return bool(partner["test"])


def _given(values: Row) -> Row:
    return {name: value for name, value in values.items() if value is not None}
