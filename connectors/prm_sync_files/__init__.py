"""Files as a source: a folder of CSV, TSV, XLSX and Parquet files, read only."""

from prm_sync_files.connector import CONNECTOR

__all__ = ["CONNECTOR"]
