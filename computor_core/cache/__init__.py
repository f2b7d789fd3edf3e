"""The in-memory cache."""
