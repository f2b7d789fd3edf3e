"""Core's alembic lineage and the runner for the lineages of core and plugins."""
