"""Splink 5 on DuckDB over columns that are spelled for comparing already: what prm-sync's matching is compared with.

    .venv-splink/bin/python peers/splink_persons.py --table people.parquet [--settings settings.json] > answer.json

Without --settings: the usual recipe, trained on the data itself without labels (u by random sampling, m by expectation
maximisation, twice). With: settings that prm-sync exported, scored as they are. F1 is pairwise, after clustering, at
the threshold where it is best: the truth is used to choose it, in Splink's favour.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)


def recipe() -> SettingsCreator:
    """Names by Jaro-Winkler with term frequencies, e-mail within two slips, equal numbers; blocks as in prm-sync.

    Company, domain and address made it worse in trials: they agree together, which its model takes for independent.
    """
    return SettingsCreator(
        link_type="dedupe_only",
        retain_matching_columns=False,
        comparisons=[
            cl.JaroWinklerAtThresholds("given", [0.92, 0.8]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("family", [0.92, 0.8]).configure(term_frequency_adjustments=True),
            cl.LevenshteinAtThresholds("mail", [2]),
            cl.ExactMatch("mobile"),
            cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("mail"),
            block_on("mobile"),
            block_on("phone", "family"),
            block_on("phone", "given"),
            block_on("company", "family"),
            block_on("company", "given"),
            block_on("mail_domain", "family"),
            block_on("mail_domain", "given"),
            block_on("postal_code", "family"),
            block_on("postal_code", "given"),
        ],
    )


def f1(cluster: np.ndarray, entity: np.ndarray) -> tuple[float, float, float]:
    """Pairwise precision, recall, F1."""

    def pairs(label: np.ndarray) -> float:
        n = np.unique(label, return_counts=True)[1].astype(float)
        return float((n * (n - 1) / 2).sum())

    both = pairs(np.unique(np.stack([cluster, entity]), axis=1, return_inverse=True)[1].ravel())
    found, true = pairs(cluster), pairs(entity)
    return both / max(found, 1), both / true, 2 * both / (found + true)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--table", required=True)
    ap.add_argument("--settings")
    a = ap.parse_args()
    table = pq.read_table(a.table)
    entity = table["entity"].to_numpy()
    began, cpu = time.perf_counter(), time.process_time()
    with duckdb.connect() as connection:
        api = DuckDBAPI(connection=connection)
        settings = json.loads(Path(a.settings).read_text()) if a.settings else recipe()
        data = api.register(pa.table(table.drop_columns(["entity"])))
        linker = Linker(data, settings, log_level=None, validate_settings=False)
        if not a.settings:
            linker.training.estimate_probability_two_random_records_match([block_on("mail")], recall=0.6)
            linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
            linker.training.estimate_parameters_using_expectation_maximisation(block_on("mail"))
            linker.training.estimate_parameters_using_expectation_maximisation(block_on("given", "family"))
        trained = time.perf_counter()
        predicted = linker.inference.predict(threshold_match_probability=THRESHOLDS[0], warning_mode="never")
        scored = time.perf_counter()
        best = {"f1": -1.0}
        for n, threshold in enumerate(THRESHOLDS[:1] if a.settings else THRESHOLDS):
            started = time.perf_counter()
            found = linker.clustering.cluster_pairwise_predictions_at_threshold(
                predicted, threshold_match_probability=threshold
            )
            answer = connection.sql(
                f"SELECT unique_id, dense_rank() OVER (ORDER BY cluster_id) FROM {found.physical_name}"
            ).fetchnumpy()
            row, label = answer.values()
            cluster = np.empty(len(entity), np.int64)
            cluster[row] = label
            took = time.perf_counter() - started
            p, r, f = f1(cluster, entity)
            if n == 0:
                cluster_s, cpu_s = took, time.process_time() - cpu
            if f > best["f1"]:
                best = {"threshold": threshold, "precision": round(p, 4), "recall": round(r, 4), "f1": round(f, 4)}
    times = {"train_s": trained - began, "predict_s": scored - trained, "cluster_s": cluster_s}
    wall = {"match_wall_s": sum(times.values()), "match_cpu_s": cpu_s, **times}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({**best, **{k: round(v, 2) for k, v in wall.items()}, "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
