"""Plugins that every test of the workspace may use."""

pytest_plugins = ["tests.services_fixtures", "tests.db_fixtures", "tests.application"]
