"""Made-up leads and partners for the routing benchmark, as Parquet files. The seed decides everything.

    python benchmarks/routing_data.py --out data-route --leads 1000000 --partners 2000 --tightness 1.0 --seed 1

Countries, regions, products and industries are skewed as they are in life (the n-th has 1/n of the first). `tightness`
is the capacity of all partners together over the number of leads; since partners may not take every lead, a tightness
of 1 leaves about a quarter of the leads without a partner.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

LANGUAGES = {
    "US": "en", "CN": "zh", "DE": "de", "JP": "ja", "GB": "en", "FR": "fr", "IN": "en", "VN": "vi", "BR": "pt",
    "SA": "ar", "ES": "es", "IT": "it", "EG": "ar", "MX": "es", "IR": "fa", "KR": "ko", "NL": "nl", "TR": "tr",
    "PL": "pl", "AE": "ar", "ID": "id", "SE": "sv", "CH": "de", "TW": "zh",
}  # fmt: skip
COUNTRIES = tuple(LANGUAGES)
REGIONS, PRODUCTS, INDUSTRIES, SEGMENTS = 6, 10, 8, ("smb", "mid", "enterprise")
CERTIFICATES = tuple(f"cert-{n}" for n in range(5))
TODAY = date(2026, 5, 6)
LEAD_COLUMNS = ("id", "priority", "country", "region", "segment", "product", "industry", "language", "certification")


def skewed(rnd: np.random.Generator, n: int, size: int) -> np.ndarray:
    weights = 1 / np.arange(1, n + 1)
    return rnd.choice(n, size, p=weights / weights.sum())


def leads(rnd: np.random.Generator, n: int) -> pa.Table:
    country = skewed(rnd, len(COUNTRIES), n)
    own = np.array([LANGUAGES[c] for c in COUNTRIES])[country]
    regions = np.array([f"{c}-R{r}" for c in COUNTRIES for r in range(REGIONS)])
    asked = np.where(rnd.random(n) < 0.2, rnd.integers(0, len(CERTIFICATES), n), -1)
    certificate = np.array([*CERTIFICATES, ""])[asked]
    columns = {
        "id": np.char.add("lead-", np.char.zfill(np.arange(n).astype(str), 8)),
        "priority": np.zeros(n),
        "country": np.array(COUNTRIES)[country],
        "region": regions[country * REGIONS + skewed(rnd, REGIONS, n)],
        "segment": np.array(SEGMENTS)[rnd.choice(3, n, p=[0.6, 0.3, 0.1])],
        "product": np.char.add("product-", skewed(rnd, PRODUCTS, n).astype(str)),
        "industry": np.char.add("industry-", skewed(rnd, INDUSTRIES, n).astype(str)),
        "language": np.where(rnd.random(n) < 0.9, own, "en"),
        "certification": certificate,
    }
    # The better leads choose first; the file is in that order, as the warehouse gives them.
    columns["priority"] = np.sort(rnd.integers(0, 101, n))[::-1].astype(float)
    table = pa.table({k: pa.array(v) for k, v in columns.items()})
    none = pa.compute.equal(table["certification"], "")
    column = pa.compute.if_else(none, pa.scalar(None, pa.string()), table["certification"])
    return table.set_column(LEAD_COLUMNS.index("certification"), "certification", column)


def partners(rnd: np.random.Generator, n: int, capacity: float) -> pa.Table:
    shares = rnd.lognormal(0, 0.8, n)
    weekly = np.maximum(1, np.round(shares / shares.sum() * capacity)).astype(int)
    return pa.Table.from_pylist([partner(rnd, i, int(weekly[i])) for i in range(n)])


def partner(rnd: np.random.Generator, i: int, weekly: int) -> dict[str, object]:
    home = COUNTRIES[skewed(rnd, len(COUNTRIES), 1)[0]]
    region = f"{home}-R{skewed(rnd, REGIONS, 1)[0]}"
    places = [home if rnd.random() < 0.3 else region]
    places += [f"{COUNTRIES[c]}-R{rnd.integers(REGIONS)}" for c in rnd.integers(0, len(COUNTRIES), rnd.integers(0, 2))]
    if rnd.random() < 0.15:
        places = [f"{p}/enterprise" for p in places]
    won, lost = (int(x) for x in rnd.poisson([6, 14]))
    return {
        "id": f"partner-{i:05}", "status": "active" if rnd.random() < 0.95 else "suspended",
        "tier": ("bronze", "silver", "gold", "platinum")[rnd.choice(4, p=[0.4, 0.3, 0.2, 0.1])],
        "territories": places,
        "products": [] if rnd.random() < 0.1 else _some(rnd, "product", PRODUCTS, 3),
        "industries": [] if rnd.random() < 0.3 else _some(rnd, "industry", INDUSTRIES, 3),
        "languages": [] if rnd.random() < 0.2 else sorted({LANGUAGES[home], "en"}),
        "certificates": [c for c in CERTIFICATES if rnd.random() < 0.4],
        "valid_until": TODAY + timedelta(days=int(rnd.integers(-90, 600))),
        "agreement_until": TODAY + timedelta(days=int(rnd.integers(-40, 900))),
        "weekly_capacity": weekly, "won": won, "lost": lost, "response_h": float(np.round(rnd.exponential(20), 1)),
        "country": home, "region": region,
        "segment_won": [int(x) for x in rnd.multinomial(won, [0.6, 0.3, 0.1])],
        "segment_lost": [int(x) for x in rnd.multinomial(lost, [0.6, 0.3, 0.1])],
    }  # fmt: skip


def _some(rnd: np.random.Generator, name: str, of: int, most: int) -> list[str]:
    return sorted({f"{name}-{n}" for n in skewed(rnd, of, int(rnd.integers(1, most + 1)))})


def write(folder: Path, n_leads: int, n_partners: int, tightness: float, seed: int) -> Path:
    """leads.parquet and partners.parquet in a folder; made where they are not there yet."""
    if not (folder / "leads.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        rnd = np.random.default_rng(seed)
        pq.write_table(partners(rnd, n_partners, tightness * n_leads), folder / "partners.parquet")
        pq.write_table(leads(rnd, n_leads), folder / "leads.parquet")
    return folder


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--leads", type=int, default=1_000_000)
    ap.add_argument("--partners", type=int, default=2_000)
    ap.add_argument("--tightness", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    print(write(a.out, a.leads, a.partners, a.tightness, a.seed))
