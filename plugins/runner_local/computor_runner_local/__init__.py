"""Sandboxed local test runner for Computor."""
