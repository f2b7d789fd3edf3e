"""Temporal workflow engine for Computor."""
