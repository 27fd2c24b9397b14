"""The settings of a PartnerStack connection. What no document confirms is a setting here, with the likely default."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

PUBLIC_API = "https://api.partnerstack.com/api/v2"


class PartnerStackConfig(BaseModel):
    """How to reach one PartnerStack account, and how carefully."""

    # The input is hidden: what is wrong may stand beside a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = Field(PUBLIC_API, description="Address of the Vendor API v2, without a slash at the end")
    public_key: SecretStr = Field(description="Public key (Settings > Integrations > API keys)")
    secret_key: SecretStr = Field(description="Secret key of the same pair")
    environment: Literal["production", "test"] = Field(
        "production", description="Which key pair this is; rows made with test keys carry `test: true`"
    )
    page_size: int = Field(250, ge=1, le=250, description="Rows of one page; the API gives at most 250")
    overlap_s: int = Field(600, ge=0, le=86_400, description="How far each read reaches back behind the last one")
    reward_rescan_days: int = Field(
        90, ge=1, le=3_660, description="Rewards this young are read again: their status changes, but no filter tells"
    )
    transaction_rescan_days: int = Field(30, ge=1, le=3_660, description="The same for transactions")
    archived: tuple[str, ...] = Field(
        ("partnerships", "leads", "deals"), description="Streams that are read with `include_archived`"
    )
    merged_field: str = Field(
        "merged_into", description="Field of an archived row that names the row it was merged into (assumed)"
    )
    concurrency: int = Field(4, ge=1, le=8, description="Calls of one batch of changes at the same time")
    match_by: Literal["path", "list", "path_then_list"] = Field(
        "path_then_list",
        description="How a record is looked up before it is made: by address, in the newest rows, or both",
    )
    match_scan_pages: int = Field(8, ge=1, le=1_000, description="Pages of newest rows that `list` looks through")
    nested_patch: Literal["whole", "part"] = Field(
        "whole", description="Send `meta` and `fields` whole (read first) or only the changed parts when patching"
    )
    calls_per_s: float = Field(8.0, gt=0, le=10_000, description="Own limit; PartnerStack does not publish its own")
    timeout_s: float = Field(60.0, gt=0, le=600, description="Longest wait for one answer")
    attempts: int = Field(5, ge=1, le=10, description="Tries of a call that is safe to repeat")

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// (http:// for an emulator)")
        return value.rstrip("/")
