"""Routes as a plugin would bring them."""

from __future__ import annotations

from typing import Any

from computor_fastapi_host.access import PUBLIC
from fastapi import HTTPException

from computor_core.model import Organization
from computor_core.plugin_api.errors import ConflictError
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, Reading, Work, needs
from computor_core.plugin_api.providers.base import AppContext


def notes(context: AppContext) -> APIRouter:
    router = APIRouter()

    @router.get("/whoami", openapi_extra=needs("notes:note.read"))
    async def whoami(principal: CurrentPrincipal, work: Reading) -> dict[str, str]:
        assert work.principal == principal
        return {"user_id": str(principal.user_id)}

    @router.post("/organizations/{path}", status_code=201, openapi_extra=needs("notes:note.write"))
    async def make(path: str, work: Work, fail: bool = False) -> dict[str, str]:
        work.session.add(Organization(path=path, title=path))
        if fail:
            raise ConflictError("changed my mind")
        return {"path": path}

    @router.get("/crash", openapi_extra=needs("notes:note.read"))
    async def crash() -> None:
        raise RuntimeError("the secret of table 7")

    @router.get("/teapot", openapi_extra=needs("notes:note.read"))
    async def teapot() -> None:
        raise HTTPException(418, "a sentence of the plugin's")

    return router


def board(context: AppContext) -> APIRouter:
    router = APIRouter()

    @router.get("/board", openapi_extra=PUBLIC)
    async def show() -> dict[str, bool]:
        return {"open": True}

    return router


def undeclared(context: AppContext) -> APIRouter:
    router = APIRouter()

    @router.get("/open")
    async def show() -> None: ...

    return router


def echo(context: AppContext) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        read, more = 0, True
        while more:
            message = await receive()
            read += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = f'{{"path": "{scope["path"]}", "bytes": {read}}}'.encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
