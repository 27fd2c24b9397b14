"""Telephone numbers to E.164 as libphonenumber reads them."""
from __future__ import annotations
import phonenumbers


def reference(text: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as wrong:
        raise ValueError("not a telephone number") from wrong
    if not phonenumbers.is_valid_number(parsed):
        raise ValueError("not a valid telephone number")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


e164 = reference
