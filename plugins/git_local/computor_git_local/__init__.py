"""Bare git repositories over smart HTTP for Computor."""
