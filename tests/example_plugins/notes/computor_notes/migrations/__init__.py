"""The plugin's alembic lineage."""
