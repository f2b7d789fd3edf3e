"""Cloning and fetching with the real git, and what is refused."""

import base64
import gzip
import zlib
from dataclasses import replace

import httpx
import pytest
from computor_git_local.host import LocalGitHost, open_host
from computor_git_local.http import GitHttp, create_app
from computor_git_local.settings import GitLocalSettings

from computor_core.plugin_api.errors import UnavailableError
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import CommitTree, EnsureRepository, RepositoryRef, TreeFile
from computor_core.testing.git_client import GitUser
from computor_core.testing.git_pushes import FakeCore

_UPLOAD = "application/x-git-upload-pack-request"
_WITH_TOKEN = {"authorization": "Bearer owner-token"}


async def _release(host: LocalGitHost, repository: RepositoryRef, files: int = 1) -> str:
    tree = [TreeFile(f"week1/{number}.py", b"print(%d)\n" % number) for number in range(files)]
    return await host.commit_tree(
        CommitTree(repository.external_id, "main", tree, "Release", "Lecturer", "lecturer@example.org")
    )


@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_a_clone_has_the_released_tree(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, version: str
) -> None:
    commit = await _release(host, repository, files=30)
    await student.must("-c", f"protocol.version={version}", "clone", student.url(repository), "work")
    assert await student.must("-C", "work", "rev-parse", "HEAD") == commit
    assert await student.must("-C", "work", "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert (student.folder / "work/week1/29.py").read_text() == "print(29)\n"


async def test_a_fetch_brings_what_is_new(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await _release(host, repository)
    await student.must("clone", student.url(repository), "work")
    commit = await _release(host, repository, files=400)  # enough "have" and "want" lines for gzip
    await student.must("-C", "work", "pull", "--quiet")
    assert await student.must("-C", "work", "rev-parse", "HEAD") == commit


async def test_an_empty_repository_can_be_cloned(repository: RepositoryRef, student: GitUser) -> None:
    await student.must("clone", student.url(repository), "work")
    assert await student.must("-C", "work", "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_the_address_is_the_one_that_the_host_gives(repository: RepositoryRef, server: str) -> None:
    assert repository.http_url == f"{server}/git/course/students/one.git"


async def test_without_a_token_git_is_asked_to_sign_in(repository: RepositoryRef) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer",
        "Basic !!!",
        "Basic " + base64.b64encode(b"user:wrong").decode(),
        "Basic " + base64.b64encode(b"owner-token:").decode(),
        "Basic " + base64.b64encode(b"owner-token").decode(),
        "Basic " + base64.b64encode(b"user:\xff\xfe").decode(),
        "Basic",
        "Digest owner-token",
        "owner-token",
        "Bearer " + "x" * 10_000,
    ],
)
async def test_a_wrong_credential_is_as_good_as_none(repository: RepositoryRef, header: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(
            f"{repository.http_url}/info/refs?service=git-upload-pack", headers={"authorization": header}
        )
    assert answer.status_code == 401
    assert "owner-token" not in answer.text


@pytest.mark.parametrize(
    "header",
    [
        "Bearer owner-token",
        "bearer owner-token",
        "Basic " + base64.b64encode(b"anybody:owner-token").decode(),
        "Basic " + base64.b64encode(b":owner-token").decode(),
    ],
)
async def test_a_token_is_accepted_as_bearer_or_as_password(repository: RepositoryRef, header: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(
            f"{repository.http_url}/info/refs?service=git-upload-pack", headers={"authorization": header}
        )
    assert answer.status_code == 200
    assert answer.content.startswith(b"001e# service=git-upload-pack\n0000")
    assert answer.headers["cache-control"].startswith("no-cache")


async def test_a_repository_without_rights_looks_like_none_at_all(
    repository: RepositoryRef, student: GitUser
) -> None:
    absent = repository.http_url.replace("/one.git", "/none.git")
    headers = {"authorization": "Bearer stranger-token"}
    async with httpx.AsyncClient(headers=headers) as client:
        forbidden = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
        missing = await client.get(f"{absent}/info/refs?service=git-upload-pack")
    assert (forbidden.status_code, forbidden.text) == (missing.status_code, missing.text)
    assert forbidden.status_code == 404
    student.token = "stranger-token"
    ran = await student.git("clone", student.url(repository), "work")
    assert ran.status != 0
    assert "not found" in ran.messages


async def test_rights_without_a_repository_are_not_found(
    repository: RepositoryRef, host: LocalGitHost
) -> None:
    await host.delete_repository(repository.external_id)
    async with httpx.AsyncClient(headers=_WITH_TOKEN) as client:
        answer = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
    assert answer.status_code == 404


async def test_a_reader_fetches_and_cannot_push(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    commit = await _release(host, repository)
    student.token = "reader-token"
    await student.must("clone", student.url(repository), "work")
    ran = await student.git("-C", "work", "push", "origin", "HEAD:refs/heads/mine")
    assert ran.status != 0
    assert "403" in ran.messages
    assert await host.resolve(repository.external_id, "refs/heads/mine") is None
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit
    assert core.pushes.begun == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/course/students/one.git/HEAD", 404),
        ("GET", "/course/students/one.git/objects/info/packs", 404),
        ("GET", "/course/students/one.git/config", 404),
        ("GET", "/course/students/one/info/refs?service=git-upload-pack", 404),
        ("GET", "/course/students/one.git/info/refs", 403),
        ("GET", "/course/students/one.git/info/refs?service=git-upload-archive", 403),
        ("GET", "/course/students/one.git/info/refs?service=--help", 403),
        ("GET", "/course/..%2f..%2fetc.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/@default/course/students/one.git/info/refs?service=git-upload-pack", 200),
        ("GET", "/@other/course/students/one.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/course/students/one.git/git-upload-pack", 405),
        ("POST", "/course/students/one.git/info/refs?service=git-upload-pack", 405),
        ("PUT", "/course/students/one.git/git-receive-pack", 405),
        ("POST", "/course/students/one.git/git-receive-pack", 415),
        ("POST", "/course/students/one.git/git-upload-pack", 415),
    ],
)
async def test_nothing_but_the_three_smart_paths_is_served(
    repository: RepositoryRef, server: str, method: str, path: str, status: int
) -> None:
    async with httpx.AsyncClient(headers=_WITH_TOKEN) as client:
        answer = await client.request(method, f"{server}/git{path}")
    assert answer.status_code == status
    assert answer.status_code == 200 or answer.headers["content-type"].startswith("text/plain")


# --- bodies -----------------------------------------------------------------------------------

_LS_REFS = b"0014command=ls-refs\n00010000"


async def _post(repository: RepositoryRef, body: bytes, **headers: str) -> httpx.Response:
    fields = _WITH_TOKEN | {"content-type": _UPLOAD, "git-protocol": "version=2"} | headers
    async with httpx.AsyncClient(headers=fields) as client:
        return await client.post(f"{repository.http_url}/git-upload-pack", content=body)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
async def test_a_gzipped_request_is_unpacked(
    host: LocalGitHost, repository: RepositoryRef, encoding: str
) -> None:
    commit = await _release(host, repository)
    plain = await _post(repository, _LS_REFS)
    packed = await _post(repository, gzip.compress(_LS_REFS), **{"content-encoding": encoding})
    assert plain.status_code == packed.status_code == 200
    assert packed.content == plain.content
    assert commit.encode() in packed.content


async def test_a_gzip_bomb_meets_the_limit(repository: RepositoryRef) -> None:
    lines = b"001cref-prefix refs/heads/x\n" * 40_000
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"0014command=ls-refs\n0001")
    bomb += b"".join(packer.compress(lines) for _ in range(64)) + packer.flush()
    assert len(bomb) < 500_000
    answer = await _post(repository, bomb, **{"content-encoding": "gzip"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip at all", "gzip", 400),
        (gzip.compress(_LS_REFS * 100)[:-20], "gzip", 400),
        (_LS_REFS, "br", 415),
        (bytes(33 * 1024 * 1024), "identity", 413),
    ],
)
async def test_a_body_that_cannot_be_read_has_its_own_status(
    repository: RepositoryRef, body: bytes, encoding: str, status: int
) -> None:
    answer = await _post(repository, body, **{"content-encoding": encoding})
    assert answer.status_code == status


async def test_a_request_that_git_does_not_understand_is_an_error(repository: RepositoryRef) -> None:
    answer = await _post(repository, b"zzzz")
    assert answer.status_code == 400


# --- the application --------------------------------------------------------------------------


async def test_an_absent_service_says_when_to_come_back(
    repository: RepositoryRef, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: FakeCore, token: str) -> Principal:
        raise UnavailableError("The database is away.", retry_after=7)

    monkeypatch.setattr(FakeCore, "authenticate", away)
    async with httpx.AsyncClient(headers=_WITH_TOKEN) as client:
        answer = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"


async def test_a_full_house_says_when_to_come_back(
    host: LocalGitHost, repository: RepositoryRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("computor_git_local.http._QUEUE_TIMEOUT", 0.05)
    for place in range(host.settings.transfers):
        host.transfers.acquire_on_behalf_of_nowait(place)
    async with httpx.AsyncClient(headers=_WITH_TOKEN) as client:
        full = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
        host.transfers.release_on_behalf_of(0)
        free = await client.get(f"{repository.http_url}/info/refs?service=git-upload-pack")
    assert (full.status_code, free.status_code) == (503, 200)
    assert full.headers["retry-after"] == "30"


async def test_each_application_serves_its_own_hosts(
    context: AppContext, host: LocalGitHost, core: FakeCore
) -> None:
    other = replace(context, services=FakeCore(tokens=core.tokens, pushes=core.pushes))
    await host.ensure_repository(EnsureRepository("course/template", "Template"))

    async def status(app: GitHttp) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=_WITH_TOKEN, base_url="http://t") as client:
            url = "/course/students/one.git/info/refs?service=git-upload-pack"
            return (await client.get(url)).status_code

    await host.ensure_repository(EnsureRepository("course/students/one", "Student one"))
    assert await status(create_app(context)) == 200
    assert await status(create_app(other)) == 404


async def test_a_second_instance_has_addresses_of_its_own(context: AppContext, host: LocalGitHost) -> None:
    folder = context.data_dir.parent / "archive"
    folder.mkdir()
    second = replace(context, instance="archive", data_dir=folder)
    async with open_host(GitLocalSettings(), second) as archive:
        ref = await archive.ensure_repository(EnsureRepository("course/students/one", "Student one"))
        assert ref.http_url == f"{context.public_url}/git/@archive/course/students/one.git"
        transport = httpx.ASGITransport(create_app(context))
        async with httpx.AsyncClient(transport=transport, headers=_WITH_TOKEN, base_url="http://t") as client:
            path = "/course/students/one.git/info/refs?service=git-upload-pack"
            assert (await client.get(f"/@archive{path}")).status_code == 200
            assert (await client.get(path)).status_code == 404
