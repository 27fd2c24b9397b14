"""Matching by Splink: the same candidates, comparisons and weights as ours, on DuckDB, its clusters read back.

For more records than one machine holds: the settings (`rules.identity.splink`) are plain data, and a table with the
columns of `table` can be scored by any of Splink's backends. Needs the extra `splink`: pip install 'prm-sync[splink]'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from prm_sync.errors import ConfigError
from prm_sync.rules.identity.blocking import Numbers
from prm_sync.rules.identity.reasons import Matching
from prm_sync.rules.identity.rows import Rows
from prm_sync.rules.identity.splink import settings


def table(rows: Rows) -> pa.Table:
    """The records as Splink's input: `unique_id` is the row's number, an absent part is null."""
    columns: dict[str, Any] = {"unique_id": pa.array(np.arange(len(rows)))}
    for part, code in rows.code.items():
        if part in rows.text:
            columns[part] = pa.array([t or None for t in rows.text[part]], pa.string())
        else:
            columns[part] = pa.array(code.view(np.int64), mask=code == 0)
    return pa.table(columns)


def clusters(rows: Rows, matching: Matching) -> Numbers:
    """For each row the smallest row of its cluster, as Splink finds them on DuckDB."""
    try:
        import duckdb
        from splink import DuckDBAPI, Linker
    except ImportError as e:
        raise ConfigError("Splink is not installed; pip install 'prm-sync[splink]' brings it") from e
    with duckdb.connect() as connection:
        api = DuckDBAPI(connection=connection)
        asked = settings(matching, set(rows.code))
        linker = Linker(api.register(table(rows)), asked, log_level=None, validate_settings=False)
        found = linker.inference.predict(threshold_match_probability=matching.merge, warning_mode="never")
        grouped = linker.clustering.cluster_pairwise_predictions_at_threshold(
            found, threshold_match_probability=matching.merge
        )
        answer = connection.sql(
            f"SELECT unique_id, min(unique_id) OVER (PARTITION BY cluster_id) FROM {grouped.physical_name}"  # noqa: S608
        ).fetchnumpy()
    row, smallest = (np.asarray(column, np.int64) for column in answer.values())
    root = np.arange(len(rows))
    root[row] = smallest
    return root
