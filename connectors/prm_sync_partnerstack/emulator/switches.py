"""What no document says about the API. Each is assumed one way and can be set the other way."""

from __future__ import annotations

from prm_sync.connect.emulator import Switch

SWITCHES = (
    Switch("unique_external_key", False, "a second lead or deal with the same external_key is refused with 409"),
    Switch("path_takes_external_key", True, "GET /leads/{external_key} and GET /customers/{customer_key} find the row"),
    Switch("refuse_unknown_filters", False, "a filter that the object does not have is a 400; else it is ignored"),
    Switch("refuse_unknown_fields", False, "a field that the object does not have is a 400; else it is ignored"),
    Switch("patch_replaces_nested", False, "a patch replaces meta and fields; else it lays its parts over them"),
    Switch("reassign_resets", True, "a lead that is given to another partner loses the first one's answer and stage"),
    Switch("fields_as_list", False, "`fields` shows a list of definitions, and the values stand in `field_data`"),
    Switch("repeated_transaction", "conflict", "a used transaction key: `conflict` 409, `invalid` 400, `same` 200"),
    Switch("create_status", 200, "status of a create that went well, 200 or 201"),
    Switch("unknown_cursor_status", 400, "status for a starting_after that names no row"),
    Switch("bad_keys_status", 401, "status for a wrong key pair, 401 or 403"),
    Switch("archived_is_gone", False, "GET of an archived row is a 404; else it shows the row with archived: true"),
    Switch("production_lists_test_rows", True, "production keys see rows with test: true too"),
    Switch("rows_show_test", True, "every row carries `test`; else only customers and transactions (documented) do"),
    Switch("customer_key_unique", True, "a second customer with the same customer_key is refused with 409"),
    Switch("calls_per_second", 0, "more calls in one second of the clock are answered 429; 0: no limit"),
    Switch("retry_after", True, "a 429 says Retry-After"),
)
