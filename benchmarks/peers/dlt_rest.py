"""dlt's own REST source into PostgreSQL, merged by key: what prm-sync's load is compared with.

    .venv-dlt/bin/python peers/dlt_rest.py --url http://127.0.0.1:8701 --postgres postgresql://... --work w [--since t]

`--tuned`: what made dlt fastest in our trials: CSV files, two workers a stage, large buffers and files, no compression.
The window is given, not tracked by dlt: that spares it the cost of its incremental cursor a row.
"""

from __future__ import annotations

import argparse
import os

TUNED = {
    "NORMALIZE__WORKERS": "2",
    "LOAD__WORKERS": "2",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "DATA_WRITER__FILE_MAX_ITEMS": "250000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--url", required=True)
    ap.add_argument("--postgres", required=True, help="URL of a database; dataset `peer` is made in it")
    ap.add_argument("--work", required=True, help="folder for dlt's own files")
    ap.add_argument("--since", help="SystemModstamp from which on rows are read; none: all")
    ap.add_argument("--tuned", action="store_true")
    a = ap.parse_args()
    os.environ.update(TUNED if a.tuned else {})
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

    import dlt  # after its settings
    from dlt.destinations import postgres
    from dlt.sources.rest_api import rest_api_source

    window = f" WHERE SystemModstamp >= {a.since}" if a.since else ""
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{a.url}/services/data/v66.0/",
                "paginator": {"type": "json_link", "next_url_path": "nextRecordsUrl"},
            },
            "resources": [
                {
                    "name": "lead",
                    "primary_key": "Id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "query",
                        "params": {"q": f"SELECT FIELDS(ALL) FROM Lead{window} ORDER BY SystemModstamp, Id"},
                        "data_selector": "records",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline("peer", destination=postgres(a.postgres), dataset_name="peer", pipelines_dir=a.work)
    print(pipeline.run(source, **({"loader_file_format": "csv"} if a.tuned else {})))


if __name__ == "__main__":
    main()
