"""What is remembered: PostgreSQL tables, bulk roads, migrations, the embedded server."""
