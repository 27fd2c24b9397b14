"""Dagster starts the flows and shows what they did. Nothing else of prm-sync imports dagster."""
