"""The application factory."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from computor_core.app import Computor
from computor_core.errors import ComputorError
from computor_core.settings import Settings
from computor_fastapi_host.lifespan import lifespan
from computor_fastapi_host.middleware.body_limit import BodyLimit
from computor_fastapi_host.middleware.entrance import Entrance
from computor_fastapi_host.middleware.head import HeadRequests
from computor_fastapi_host.middleware.headers import SecurityHeaders
from computor_fastapi_host.problems import answer
from computor_fastapi_host.state import HostState, Limits

__all__ = ["create_app", "operation_id"]

_SMALLEST_COMPRESSED = 1024
_COMPRESSION_LEVEL = 5
_PACKED_ALREADY = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/x-git-upload-pack-result",
    "application/x-git-receive-pack-result",
)


def create_app(source: Settings | Computor, *, run: bool = True, limits: Limits | None = None) -> FastAPI:
    """A host for a deployment.

    Args:
        source: The settings of an application that the host opens and closes with its lifespan,
            or an application that is open already and stays its owner's to close.
        run: Whether the host carries out background work (workflows, events, runner agents), too;
            False for a host that only answers requests beside one that does.
        limits: Sizes of bodies.

    Returns:
        The ASGI application. A server runs its lifespan; who mounts it enters
        :func:`computor_fastapi_host.lifespan`.
    """
    settings = source.settings if isinstance(source, Computor) else source
    state = HostState(source, runs=run, limits=limits or Limits())
    app = FastAPI(
        title="Computor",
        version=version("computor-core"),
        summary="Programming courses: submit, test, grade.",
        # The documents' own pages load scripts from elsewhere; the document itself is a route.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        middleware=[
            Middleware(SecurityHeaders, https=settings.public_url.startswith("https://")),
            Middleware(Entrance, state=state),
            Middleware(HeadRequests),
            Middleware(
                GZipMiddleware,
                minimum_size=_SMALLEST_COMPRESSED,
                compresslevel=_COMPRESSION_LEVEL,
                exclude_content_types=_PACKED_ALREADY,
            ),
            Middleware(BodyLimit),
        ],
        exception_handlers={
            ComputorError: answer,
            HTTPException: answer,
            RequestValidationError: answer,
        },
    )
    app.state.computor_host = state
    return app


def operation_id(route: APIRoute) -> str:
    """A route's name in the documents and in generated clients: its first tag and its function."""
    return "_".join([*(str(tag) for tag in route.tags[:1]), route.name]).replace("-", "_")
