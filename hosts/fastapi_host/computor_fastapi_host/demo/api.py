"""A small client for the demo: JSON in, JSON out, and failures that say which call it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx


class DemoError(Exception):
    """A step of the demo failed."""


def local_client() -> httpx.Client:
    """A client for a host on this machine, which no proxy of the environment stands before."""
    return httpx.Client(timeout=120, trust_env=False)


@dataclass(slots=True)
class Api:
    """A signed-in person (or nobody).

    Attributes:
        base: Address of the host, without trailing slash.
        token: Bearer token, "" for nobody.
        http: The client that is shared by all persons.
    """

    base: str
    http: httpx.Client
    token: str = ""

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send a request under ``/api/v1`` and return the answer, whatever its status."""
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return self.http.request(method, f"{self.base}/api/v1{path}", headers=headers, **options)

    def want(self, status: int, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - JSON
        """Send a request that must be answered with ``status``; returns its JSON.

        Raises:
            DemoError: Another status.
        """
        answer = self.call(method, path, **options)
        if answer.status_code != status:
            raise DemoError(
                f"{method} {path}: expected {status}, got {answer.status_code}: {answer.text[:2000]}"
            )
        return answer.json() if answer.content else None

    def create(self, endpoint: str, /, **values: object) -> dict[str, Any]:
        """Create a row."""
        created: dict[str, Any] = self.want(201, "POST", endpoint, json=values)
        return created

    def all(self, endpoint: str, /, **filters: object) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            parameters = {**filters, "limit": 200, **({"cursor": cursor} if cursor else {})}
            page = self.want(200, "GET", endpoint, params=parameters)
            rows.extend(page["data"])
            cursor = page["meta"]["next_cursor"]
            if cursor is None:
                return rows

    def sign_in(self, login: str, password: str) -> Api:
        """Sign in and return the person's own client."""
        answer = self.want(200, "POST", "/auth/sign-in", json={"login": login, "password": password})
        return Api(self.base, self.http, answer["token"])


def wait_for(what: str, check: Callable[[], bool], *, seconds: float = 300.0, pause: float = 0.2) -> None:
    """Ask until the answer is true.

    Raises:
        DemoError: Not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(pause)
    raise DemoError(f"{what} didn't happen within {seconds:.0f} s")
