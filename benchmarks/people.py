"""The fake CRM's persons as canonical columns, with the truth: contacts and leads, who is who known by construction."""

from __future__ import annotations

import multiprocessing as mp
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "fakecrm"))

import generate  # noqa: E402

from prm_sync.canonical import values  # noqa: E402

COLUMNS = ("first_name", "last_name", "company", "domain", "email", "phone", "mobile", "street", "city", "postal_code",
           "country")  # fmt: skip
CHUNK = 5000


def _valid(rule, value, *more):
    try:
        return rule(value, *more) if value not in (None, "") else None
    except ValueError:
        return None


def canonical(rec: dict, company: str | None, website: str | None, address: str) -> tuple[str | None, ...]:
    country = _valid(values.country, rec[address + "Country"])
    return (
        _valid(values.text, rec["FirstName"]), _valid(values.text, rec["LastName"]), _valid(values.text, company),
        _valid(values.domain, website), _valid(values.email, rec["Email"]),
        _valid(values.phone, rec["Phone"], country), _valid(values.phone, rec["MobilePhone"], country),
        rec[address + "Street"], rec[address + "City"], rec[address + "PostalCode"], country,
    )  # fmt: skip


def _chunk(job):
    seed, kind, start, stop, cfg = job
    rows, truth = [], []
    for k in range(start, stop):
        if kind == "Lead":
            entity, rec = generate.make_lead(seed, k, cfg)
            rows.append(canonical(rec, rec["Company"], rec["Website"], ""))
        else:
            entity, rec = generate.make_contact(seed, k, cfg)
            number = generate.person(seed, entity, cfg["accounts"])["j"]
            _, account = generate.make_account(seed, number, cfg)
            rows.append(canonical(rec, account["Name"], account["Website"], "Mailing"))
        truth.append(entity)
    return rows, truth


def people(rows: int, seed: int) -> pa.Table:
    """So many persons, half contacts and half leads, in a cache beside the program; column `entity` is the truth."""
    path = HERE / "data-people" / f"{rows}-{seed}.parquet"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        half = rows // 2
        cfg = {"accounts": rows // 5, "contacts": half}
        starts = [(kind, s) for kind in ("Contact", "Lead") for s in range(0, half, CHUNK)]
        jobs = [(seed, kind, s, min(s + CHUNK, half), cfg) for kind, s in starts]
        made, truth = [], []
        with mp.Pool(os.cpu_count()) as pool:
            for chunk, entities in pool.imap(_chunk, jobs):
                made.append(pa.table([pa.array(v, pa.string()) for v in zip(*chunk, strict=True)], list(COLUMNS)))
                truth += entities
        table = pa.concat_tables(made).append_column("entity", pa.array(truth, pa.int64()))
        pq.write_table(table, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    return pq.read_table(path)


if __name__ == "__main__":
    print(people(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20250101))
