"""Keys: made once and private, rotated by a new first line, bound to the place of each secret."""

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from computor_core.errors import ConfigurationError
from computor_core.security.keys import Keys, Place, load_keys

PLACE = Place("secret", "42", "token")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return load_keys(tmp_path, None, None)


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path, None, None), load_keys(tmp_path, None, None)
    assert first.signing.key_id == second.signing.key_id
    assert first.master.keys == second.master.keys
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["master.keys", "signing.pem"], "no draft stays behind"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_two_deployments_have_different_keys(tmp_path: Path) -> None:
    one, two = (load_keys(tmp_path / name, None, None) for name in ("one", "two"))
    assert one.signing.key_id != two.signing.key_id
    assert set(one.master.keys.values()).isdisjoint(two.master.keys.values())


def test_the_public_half_verifies_and_is_named_by_its_digest(keys: Keys) -> None:
    signature = keys.signing.private.sign(b"text")
    public = load_pem_public_key(keys.signing.public_pem.encode())
    public.verify(signature, b"text")  # type: ignore[union-attr, call-arg, arg-type]
    assert len(keys.signing.key_id) == 16


def test_a_sealed_secret_opens_at_its_place(keys: Keys) -> None:
    sealed = keys.master.seal(b"hunter2", PLACE)
    assert "hunter2" not in sealed
    assert keys.master.open(sealed, PLACE) == b"hunter2"
    assert keys.master.seal(b"hunter2", PLACE) != sealed, "a nonce is never used again"


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, table="other"),
        replace(PLACE, row="43"),
        replace(PLACE, column="other"),
        Place("secret4", "2", "token"),
    ],
)
def test_a_sealed_secret_opens_nowhere_else(keys: Keys, elsewhere: Place) -> None:
    with pytest.raises(ConfigurationError, match="can't be opened"):
        keys.master.open(keys.master.seal(b"hunter2", PLACE), elsewhere)


@pytest.mark.parametrize("broken", ["{id}.", "{id}.!!!", "{id}.AAAA", "{id}"])
def test_what_wasnt_sealed_doesnt_open(keys: Keys, broken: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be opened"):
        keys.master.open(broken.format(id=keys.master.current), PLACE)


def test_a_key_is_rotated_by_a_new_first_line(tmp_path: Path) -> None:
    old = load_keys(tmp_path, None, None).master
    sealed = old.seal(b"hunter2", PLACE)
    file = tmp_path / "keys" / "master.keys"
    file.write_text(f"# rotated\nnew1 {base64.b64encode(os.urandom(32)).decode()}\n\n{file.read_text()}")
    rotated = load_keys(tmp_path, None, None).master
    assert rotated.current == "new1"
    assert rotated.open(sealed, PLACE) == b"hunter2"
    assert rotated.seal(b"x", PLACE).startswith("new1.")
    with pytest.raises(ConfigurationError, match="sealed with the master key 'new1'"):
        old.open(rotated.seal(b"x", PLACE), PLACE)


def test_keys_dont_show_in_their_repr(keys: Keys) -> None:
    (key,) = keys.master.keys.values()
    assert repr(key) not in repr(keys)
    assert "Ed25519PrivateKey" not in repr(keys)


@pytest.mark.parametrize(
    "content",
    ["", "# only a comment\n", "one\n", "one dG9vIHNob3J0\n", "one !!!\n", "o/ne AAAA\n"],
)
def test_a_malformed_master_file_is_refused(tmp_path: Path, content: str) -> None:
    file = _private(tmp_path / "m", content)
    with pytest.raises(ConfigurationError, match=str(file)) as caught:
        load_keys(tmp_path, file, None)
    assert caught.value.exit_status == 78


def test_one_id_for_two_keys_is_refused(tmp_path: Path) -> None:
    line = f"one {base64.b64encode(os.urandom(32)).decode()}\n"
    with pytest.raises(ConfigurationError, match="line 2"):
        load_keys(tmp_path, _private(tmp_path / "m", line * 2), None)


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        load_keys(tmp_path, None, tmp_path / "missing.pem")


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    load_keys(tmp_path, None, None)
    (tmp_path / "keys" / "signing.pem").chmod(0o604)
    with pytest.raises(ConfigurationError, match="open to every user") as caught:
        load_keys(tmp_path, None, None)
    assert "chmod 600" in (caught.value.hint or "")


def test_the_signing_key_must_be_ed25519(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no unencrypted PEM"):
        load_keys(tmp_path, None, _private(tmp_path / "k", "nonsense"))
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigurationError, match="isn't an Ed25519 key"):
        load_keys(tmp_path, None, _private(tmp_path / "k", other.decode()))


def test_a_folder_that_cant_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file stands in the way")
    with pytest.raises(ConfigurationError, match="can't be made"):
        load_keys(tmp_path, None, None)


def test_of_two_hosts_that_start_at_a_time_both_use_the_keys_of_the_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = load_keys(tmp_path / "faster", None, None)
    link = os.link

    def be_late(draft: Path, target: Path) -> None:
        target.write_bytes((tmp_path / "faster" / "keys" / target.name).read_bytes())
        target.chmod(0o600)
        link(draft, target)

    monkeypatch.setattr(os, "link", be_late)
    slower = load_keys(tmp_path / "slower", None, None)
    assert slower.signing.key_id == faster.signing.key_id
    assert slower.master.keys == faster.master.keys
    names = sorted(file.name for file in (tmp_path / "slower" / "keys").iterdir())
    assert names == ["master.keys", "signing.pem"], "no draft stays behind"


def _private(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path
