"""Reference FastAPI host for Computor."""

from computor_fastapi_host.app import create_app
from computor_fastapi_host.lifespan import lifespan
from computor_fastapi_host.state import Limits

__all__ = ["Limits", "create_app", "lifespan"]
