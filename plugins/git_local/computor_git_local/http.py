"""git's smart HTTP protocol as a plain ASGI application (gitprotocol-http(5)).

Paths below the mount: ``/<external id>.git/info/refs``, ``…/git-upload-pack`` and
``…/git-receive-pack`` for the instance ``default``; ``/@<instance>/<external id>.git/…`` for
others.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

import anyio

from computor_core.plugin_api.errors import (
    AuthenticationError,
    ComputorError,
    UnavailableError,
)
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import RepositoryAccess
from computor_git_local.fetches import LARGEST_REQUEST, advertise, upload_pack
from computor_git_local.host import LocalGitHost
from computor_git_local.open_hosts import find_host
from computor_git_local.pushes import PushRequest, receive_pack
from computor_git_local.request_body import (
    BodyError,
    ClientLeftError,
    Receive,
    RequestBody,
    Scope,
    Send,
)
from computor_git_local.responses import Response

__all__ = ["GitHttp", "create_app"]

_PATH = re.compile(
    r"/(?:@(?P<instance>[^/]+)/)?(?P<repository>[^@].*)\.git"
    r"/(?P<action>info/refs|git-upload-pack|git-receive-pack)",
    re.DOTALL,
)
_SERVICES = frozenset({"git-upload-pack", "git-receive-pack"})
_PROTOCOL = re.compile(r"[A-Za-z0-9=:._-]{1,100}")
_CHALLENGE = (b"www-authenticate", b'Basic realm="Computor", charset="UTF-8"')
_QUEUE_TIMEOUT = 30.0
_LARGEST_TOKEN = 8192


def create_app(context: AppContext) -> GitHttp:
    """Factory of the router seam."""
    return GitHttp(context)


class _RefusedError(Exception):
    """A request that ends with a status and a sentence."""

    def __init__(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request asks for: which service of which repository."""

    instance: str
    external_id: str
    action: str
    service: str


class GitHttp:
    """Serves the repositories of all open ``local`` hosts of one application.

    Args:
        context: What the application hands to the router; its ``services`` sign callers in.
    """

    def __init__(self, context: AppContext) -> None:
        self._services = context.services
        self._clock = context.clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI 3)."""
        if scope["type"] != "http":
            raise RuntimeError(f"git is served over HTTP, not {scope['type']}")
        response = Response(send)
        try:
            await self._answer(scope, receive, response)
        except _RefusedError as refused:
            await _say(response, refused.status, refused.sentence, *refused.headers)
        except BodyError as error:
            await _say(response, error.status, error.message)
        except ClientLeftError:
            await _say(response, 408, "The request broke off.")
        except AuthenticationError:
            await _say(response, 401, "Sign in with a token of this server as the password.", _CHALLENGE)
        except UnavailableError as error:
            seconds = str(int(error.retry_after or 30)).encode("ascii")
            await _say(response, 503, error.message, (b"retry-after", seconds))
        except ComputorError as error:
            await _say(response, error.status, error.message)

    async def _answer(self, scope: Scope, receive: Receive, response: Response) -> None:
        headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
        target = _target(scope)
        _check_method(scope["method"], target, headers)
        received_at = self._clock.now()
        principal = await self._services.authenticate(_token(headers))
        host = find_host(self._services, target.instance)
        access = await self._access(principal, target) if host is not None else None
        if host is None or access is None:
            raise _RefusedError(404, "There is no such repository.")
        if target.service == "git-receive-pack" and access is not RepositoryAccess.WRITE:
            raise _RefusedError(403, "You may fetch from this repository, not push to it.")
        repository = await host.find(target.external_id)
        protocol = headers.get(b"git-protocol", b"").decode("latin-1")
        version = protocol if _PROTOCOL.fullmatch(protocol) else None
        async with _Turn(host):
            if target.action == "info/refs":
                await advertise(host, repository, target.service, version, response)
            elif target.action == "git-upload-pack":
                body = _body(host, receive, headers, LARGEST_REQUEST)
                await upload_pack(host, repository, version, body, response)
            else:
                body = _body(host, receive, headers, int(host.settings.max_push_bytes))
                push = PushRequest(host, repository, target.external_id, principal, received_at)
                await receive_pack(push, body, response)

    async def _access(self, principal: Principal, target: _Target) -> RepositoryAccess | None:
        return await self._services.pushes.access(principal, target.instance, target.external_id)


def _body(host: LocalGitHost, receive: Receive, headers: dict[bytes, bytes], max_bytes: int) -> RequestBody:
    return RequestBody(
        receive,
        headers,
        max_bytes=max_bytes,
        idle=host.settings.idle_timeout_seconds,
        longest=host.settings.transfer_timeout_seconds,
    )


class _Turn:
    """One of the host's places for transfers, waited for a while."""

    def __init__(self, host: LocalGitHost) -> None:
        self._limiter = host.transfers

    async def __aenter__(self) -> None:
        with anyio.move_on_after(_QUEUE_TIMEOUT) as waiting:
            await self._limiter.acquire_on_behalf_of(self)
        if waiting.cancelled_caught:
            raise _RefusedError(503, "Too many clones and pushes at once.", (b"retry-after", b"30"))

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release_on_behalf_of(self)


async def _say(response: Response, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
    """Refuse, unless the answer has begun already: then it just ends."""
    if response.started:
        await response.end()
    else:
        await response.text(status, sentence, headers)


def _target(scope: Scope) -> _Target:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    found = _PATH.fullmatch(path)
    if found is None:
        raise _RefusedError(404, "There is no such repository.")
    action = found["action"]
    service = action
    if action == "info/refs":
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("service", [""])
        service = asked[0]
        if service not in _SERVICES:
            raise _RefusedError(
                403, "Only git's smart HTTP protocol is served; git 1.6.6 and later speak it."
            )
    return _Target(found["instance"] or "default", found["repository"], action, service)


def _check_method(method: str, target: _Target, headers: dict[bytes, bytes]) -> None:
    expected = "GET" if target.action == "info/refs" else "POST"
    if method != expected:
        raise _RefusedError(405, f"Only {expected} is served here.", (b"allow", expected.encode("ascii")))
    if expected == "POST":
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().decode("latin-1")
        if kind != f"application/x-{target.service}-request":
            raise _RefusedError(415, f"The body must be application/x-{target.service}-request.")


def _token(headers: dict[bytes, bytes]) -> str:
    """The bearer token of the request: itself, or the password of HTTP Basic (RFC 7617).

    Raises:
        AuthenticationError: There is none.
    """
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    token = ""
    if len(credentials) <= _LARGEST_TOKEN:
        if scheme.lower() == b"bearer":
            token = credentials.strip().decode("latin-1")
        elif scheme.lower() == b"basic":
            token = _password(credentials)
    if not token:
        raise AuthenticationError("No token was sent.")
    return token


def _password(credentials: bytes) -> str:
    try:
        pair = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]
