"""What a status means: a table from HTTP status to error and advice, which connectors extend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prm_sync.errors import ConnectorError, ContractBroken, Misconfigured, RateLimited, Unavailable


@dataclass(frozen=True, slots=True)
class StatusRule:
    """Which error a status means, and what a person can do about it."""

    error: type[ConnectorError]
    hint: str


STATUS_RULES: Final[Mapping[int, StatusRule]] = {
    400: StatusRule(ContractBroken, "the remote does not understand this call; report it with the code"),
    401: StatusRule(Misconfigured, "the credentials are not accepted; renew them and check the connection again"),
    403: StatusRule(Misconfigured, "the credentials lack a permission for this call; grant it to the integration user"),
    404: StatusRule(ContractBroken, "there is nothing at this address; check the base URL and the object's name"),
    405: StatusRule(ContractBroken, "the remote does not offer this call; check the API version"),
    408: StatusRule(Unavailable, "the remote gave up waiting for the call; it is tried again later"),
    409: StatusRule(Unavailable, "the record is being changed by somebody else; it is tried again later"),
    410: StatusRule(ContractBroken, "this call was withdrawn by the remote; upgrade the connector or the API version"),
    413: StatusRule(ContractBroken, "the call is too large; lower the batch size"),
    420: StatusRule(RateLimited, "too many calls; wait"),
    425: StatusRule(Unavailable, "the remote is not ready for this call yet; it is tried again later"),
    429: StatusRule(RateLimited, "too many calls; wait, or lower the connection's share"),
}
OTHER_4XX: Final = StatusRule(ContractBroken, "the remote refuses this call; report it with the code")
OTHER_5XX: Final = StatusRule(Unavailable, "the remote has a fault; it is tried again later")
NOT_OK: Final = StatusRule(ContractBroken, "this answer was not expected here; check the base URL and the API version")


def rule_for(status: int, rules: Mapping[int, StatusRule]) -> StatusRule:
    """The rule of this status: by `rules`, else by the table, else by its class."""
    rest = OTHER_5XX if status >= 500 else OTHER_4XX if status >= 400 else NOT_OK
    return rules.get(status) or STATUS_RULES.get(status) or rest
