"""Reference FastAPI host for Computor."""
