"""The routing benchmark's rules as a pandas join or a DuckDB join, with a greedy pass under the capacities.

    .venv-route/bin/python peers/route_peer.py --data data-route-1000000 --engine duckdb --policy '{"...": ...}' --out o

Reads the benchmark's Parquet files into tables of its own (not counted), then: leads to classes, classes joined with
partners by territory, the other rules and the score over the pairs, candidates of each class in the order of their
score, and leads dealt out one after the other, best score first. The answer is one partner and score for each lead, and
with `--reasons` how many partners each class loses by which rule. Scores are the same whole points as prm-sync's.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import pandas as pd

PLACES = ("country", "region")
KEY = ["country", "region", "segment", "product", "industry", "language", "certification"]


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / "leads.parquet"), pd.read_parquet(folder / "partners.parquet")


def standings(partners: pd.DataFrame, points: dict[str, float]) -> pd.DataFrame:
    """Points for win rate, response time and tier, a row for each partner and segment."""
    rows = []
    tiers = {"platinum": 1.0, "gold": 0.8, "silver": 0.5, "bronze": 0.25}
    for p in partners.itertuples():
        rate = (p.won + 0.25 * 8) / (p.won + p.lost + 8)
        fixed = int(points["response_time"] * 24 / (24 + p.response_h) * 10_000 + 1e-6)
        fixed += int(points["tier"] * tiers[p.tier] * 10_000 + 1e-6)
        for n, segment in enumerate(("smb", "mid", "enterprise")):
            won, lost = p.segment_won[n], p.segment_lost[n]
            win_rate = (won + rate * 4) / (won + lost + 4)
            rows.append((p.id, segment, fixed + int(points["win_rate"] * win_rate * 10_000 + 1e-6)))
    return pd.DataFrame(rows, columns=["partner", "segment", "standing"])


def usable(partners: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    agreed = pd.to_datetime(partners.agreement_until) >= today
    return partners[(partners.status == "active") & agreed].copy()


# --- pandas ---------------------------------------------------------------------------------------------------------


def by_pandas(
    leads: pd.DataFrame, partners: pd.DataFrame, points: dict[str, float], near: pd.DataFrame, today: pd.Timestamp
):
    classes = leads[KEY].drop_duplicates().reset_index(drop=True)
    classes["class"] = classes.index
    leads = leads.merge(classes, on=KEY, how="left")
    known = usable(partners, today)
    known["partner"] = known.id
    places = known[["partner", "territories"]].explode("territories").rename(columns={"territories": "place"})
    asked = pd.concat(
        [classes[["class"]].assign(place=classes[p]) for p in PLACES]
        + [classes[["class"]].assign(place=classes[p] + "/" + classes.segment) for p in PLACES]
    )
    pairs = asked.merge(places, on="place")[["class", "partner"]].drop_duplicates()
    own = ["products", "industries", "languages", "certificates", "valid_until", "tier", "country", "region"]
    pairs = pairs.merge(classes, on="class").merge(known[["partner", *own]], on="partner", suffixes=("", "_own"))
    for asked_for, listed in (("product", "products"), ("industry", "industries"), ("language", "languages")):
        named = [word in some for word, some in zip(pairs[asked_for], pairs[listed], strict=True)]
        pairs[f"names_{asked_for}"] = named
        pairs = pairs[pd.Series(named, index=pairs.index) | (pairs[listed].str.len() == 0)]
    holds = [c is None or c != c or c in some for c, some in zip(pairs.certification, pairs.certificates, strict=True)]
    valid = pairs.certification.isna() | (pd.to_datetime(pairs.valid_until) >= today)
    pairs = pairs[pd.Series(holds, index=pairs.index) & valid]
    pairs = pairs[(pairs.segment != "enterprise") | pairs.tier.isin(["gold", "platinum"])]
    pairs = pairs.merge(standings(known, points), on=["partner", "segment"])
    fit = pairs.names_product.astype(int) + pairs.names_industry.astype(int)
    pairs = pairs.merge(near, on=["country", "country_own"])
    pairs.loc[pairs.region == pairs.region_own, "near"] = int(points["distance"] * 10_000 + 1e-6)
    pairs["score"] = (
        fit.map({n: int(points["fit"] * n / 2 * 10_000 + 1e-6) for n in range(3)})
        + pairs.near
        + pairs.standing
    )
    pairs = pairs.merge(partners[["id", "lot"]], left_on="partner", right_on="id")
    pairs = pairs.sort_values(["class", "score", "lot"], ascending=[True, False, False])
    leads = leads.sort_values(["priority", "id"], ascending=[False, True])
    return leads.id.tolist(), leads["class"].tolist(), pairs[["class", "partner", "score"]], len(classes)


# --- DuckDB ---------------------------------------------------------------------------------------------------------

PAIRS = """
CREATE TEMP TABLE kinds AS SELECT row_number() OVER () - 1 AS class, * FROM (SELECT DISTINCT {key} FROM leads);
CREATE TEMP TABLE placed AS
  SELECT l.id, l.priority, k.class FROM leads l JOIN kinds k
    ON l.country = k.country AND l.region = k.region AND l.segment = k.segment AND l.product = k.product
   AND l.industry = k.industry AND l.language = k.language AND l.certification IS NOT DISTINCT FROM k.certification;
CREATE TEMP TABLE sells AS
  WITH known AS (
    SELECT id AS partner, unnest(territories) AS place, products, industries FROM partners
    WHERE status = 'active' AND agreement_until >= DATE '{today}'),
  of AS (
    SELECT partner, place, industries, unnest(CASE WHEN len(products) > 0 THEN products
      ELSE (SELECT list(DISTINCT product) FROM kinds) END) AS product FROM known)
  SELECT DISTINCT partner, place, product, unnest(CASE WHEN len(industries) > 0 THEN industries
    ELSE (SELECT list(DISTINCT industry) FROM kinds) END) AS industry FROM of;
CREATE TEMP TABLE pairs AS
  WITH asked AS (
    SELECT class, product, industry,
      unnest([country, region, country || '/' || segment, region || '/' || segment]) AS place FROM kinds),
  met AS (SELECT DISTINCT class, partner FROM asked JOIN sells USING (place, product, industry))
  SELECT m.class, m.partner, s.standing
    + CASE list_contains(p.products, k.product)::INT + list_contains(p.industries, k.industry)::INT
        WHEN 2 THEN {fit2} WHEN 1 THEN {fit1} ELSE 0 END
    + CASE WHEN p.region = k.region THEN {same_region} ELSE n.near END AS score, p.lot
  FROM met m JOIN kinds k USING (class) JOIN partners p ON p.id = m.partner
  JOIN standings s ON s.partner = m.partner AND s.segment = k.segment
  JOIN near n ON n.country = k.country AND n.country_own = p.country
  WHERE (len(p.languages) = 0 OR list_contains(p.languages, k.language))
    AND (k.segment <> 'enterprise' OR p.tier IN ('gold', 'platinum'))
    AND (k.certification IS NULL OR list_contains(p.certificates, k.certification) AND p.valid_until >= DATE '{today}');
"""

REASONS = """
CREATE TEMP TABLE counted AS
  SELECT class, code, count(*) AS n FROM (
    SELECT k.class, CASE
      WHEN p.status <> 'active' THEN 'status'
      WHEN p.agreement_until < DATE '{today}' THEN 'agreement'
      WHEN NOT list_has_any(p.territories,
          [k.country, k.region, k.country || '/' || k.segment, k.region || '/' || k.segment]) THEN 'territory'
      WHEN len(p.products) > 0 AND NOT list_contains(p.products, k.product) THEN 'product'
      WHEN len(p.industries) > 0 AND NOT list_contains(p.industries, k.industry) THEN 'industry'
      WHEN len(p.languages) > 0 AND NOT list_contains(p.languages, k.language) THEN 'language'
      WHEN k.segment = 'enterprise' AND p.tier NOT IN ('gold', 'platinum') THEN 'tier'
      WHEN k.certification IS NOT NULL AND NOT (list_contains(p.certificates, k.certification)
          AND p.valid_until >= DATE '{today}') THEN 'certification'
      END AS code
    FROM kinds k CROSS JOIN partners p) WHERE code IS NOT NULL GROUP BY 1, 2;
"""


def by_duckdb(
    partners: pd.DataFrame, points: dict[str, float], near: pd.DataFrame, today: pd.Timestamp, folder: Path
):
    import duckdb

    db = duckdb.connect()
    db.execute(f"CREATE TABLE leads AS FROM read_parquet('{folder / 'leads.parquet'}')")
    db.register("partners_frame", partners)
    db.execute("CREATE TABLE partners AS FROM partners_frame")
    day = f"{today:%Y-%m-%d}"
    levels = {f"fit{n}": int(points["fit"] * n / 2 * 10_000 + 1e-6) for n in (1, 2)}
    levels["same_region"] = int(points["distance"] * 10_000 + 1e-6)

    def routed():
        db.register("standings_frame", standings(partners, points))
        db.execute("CREATE TEMP TABLE standings AS FROM standings_frame")
        db.register("near_frame", near)
        db.execute("CREATE TEMP TABLE near AS FROM near_frame")
        db.execute(PAIRS.format(key=", ".join(KEY), today=day, **levels))
        ordered = db.execute("SELECT class, partner, score FROM pairs ORDER BY class, score DESC, lot DESC").df()
        placed = db.execute("SELECT id, class FROM placed ORDER BY priority DESC, id").fetchnumpy()
        kinds = db.execute("SELECT count(*) FROM kinds").fetchone()[0]
        return placed["id"].tolist(), placed["class"].tolist(), ordered, kinds

    return routed, lambda: db.execute(REASONS.format(today=day))


# --- the capacity pass ----------------------------------------------------------------------------------------------


def dealt(
    kinds: list[int], pairs: pd.DataFrame, n_kinds: int, capacity: dict[str, int]
) -> tuple[list[str | None], int]:
    """Partner of each lead, and the sum of scores: each class goes down its list as partners become full."""
    numbers = {name: n for n, name in enumerate(capacity)}
    left = list(capacity.values())
    names = list(capacity)
    partner = [numbers[p] for p in pairs.partner.tolist()]
    score = pairs.score.tolist()
    sizes = pairs["class"].value_counts().reindex(range(n_kinds), fill_value=0).tolist()
    at, end = [0] * n_kinds, [0] * n_kinds
    total = 0
    for kind, size in enumerate(sizes):
        at[kind] = total
        total += size
        end[kind] = total
    found: list[str | None] = [None] * len(kinds)
    points = 0
    for n, kind in enumerate(kinds):
        k, stop = at[kind], end[kind]
        while k < stop and not left[partner[k]]:
            k += 1
        at[kind] = k
        if k < stop:
            p = partner[k]
            left[p] -= 1
            found[n] = names[p]
            points += score[k]
    return found, points


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--engine", choices=["pandas", "duckdb"], required=True)
    ap.add_argument("--given", type=Path, required=True, help="JSON: points, of two countries too, today, lots")
    ap.add_argument("--out", type=Path, help="where to write lead id and partner id, for a comparison")
    ap.add_argument("--reasons", action="store_true", help="count the reasons too (DuckDB only)")
    a = ap.parse_args()
    given = json.loads(a.given.read_text())
    today, points = pd.Timestamp(given["today"]), given["points"]
    near = pd.DataFrame(given["near"], columns=["country", "country_own", "near"])
    leads, partners = read(a.data)
    partners["lot"] = partners.id.map(given["lots"])
    reasons = None
    if a.engine == "duckdb":
        routed, reasons = by_duckdb(partners, points, near, today, a.data)
        leads = None
    else:
        def routed():
            return by_pandas(leads, partners, points, near, today)
    began, cpu = time.perf_counter(), time.process_time()
    ids, kinds, pairs, n_kinds = routed()
    joined_s = time.perf_counter() - began
    capacity = dict(zip(partners.id, partners.weekly_capacity, strict=True))
    found, total = dealt(kinds, pairs, n_kinds, capacity)
    took_s = time.perf_counter() - began
    reasons_s = None
    if a.reasons and reasons is not None:
        began = time.perf_counter()
        reasons()
        reasons_s = time.perf_counter() - began
    if a.out:
        pd.DataFrame({"id": ids, "partner": found}).sort_values("id").to_parquet(a.out)
    print(json.dumps({
        "seconds": took_s, "join_s": joined_s, "reasons_s": reasons_s, "leads": len(ids), "classes": n_kinds,
        "routed": sum(p is not None for p in found), "points": int(total),
        "cpu_s": time.process_time() - cpu, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
