"""The deployment's keys: the master keys that encrypt secrets at rest, and the signing key.

Both are files, made at the first start unless the settings name them. A master key file holds one
key per line, ``<key id> <32 bytes in base64>``; the first seals, all open, so a key is rotated by
putting a new line before the old ones. The signing key is an Ed25519 key (RFC 8032) in PEM
(PKCS #8, RFC 5958), apart from the master keys because its public half is handed out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from computor_core.errors import ConfigurationError

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed secret stands; it opens nowhere else."""

    table: str
    row: str
    column: str

    def bytes(self) -> bytes:
        """The associated data; each part is preceded by its length, so that parts can't run together."""
        parts = [part.encode() for part in (self.table, self.row, self.column)]
        return b"".join(len(part).to_bytes(4) + part for part in parts)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Keys for secrets at rest.

    Attributes:
        keys: Key by id, the current one first.
    """

    keys: dict[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        """Id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, secret: bytes, place: Place) -> str:
        """Encrypt with AES-256-GCM (NIST SP 800-38D), bound to its place.

        Returns:
            ``<key id>.<nonce and ciphertext in base64>``.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, secret, place.bytes())
        return f"{self.current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, place: Place) -> bytes:
        """Decrypt.

        Raises:
            ConfigurationError: The key isn't in the file, or the text isn't what was sealed for
                this place.
        """
        key_id, _, text = sealed.partition(".")
        key = self.keys.get(key_id)
        if key is None:
            raise ConfigurationError(
                f"a secret was sealed with the master key {key_id!r}, which isn't in the key file",
                hint="put the key back, below the current one",
            )
        try:
            data = base64.b64decode(text, validate=True)
            return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.bytes())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise ConfigurationError(f"the secret at {place.table}.{place.column} can't be opened") from error


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs receipts.

    Attributes:
        private: The key.
        key_id: First 16 hex digits of the SHA-256 of the raw public key.
    """

    private: Ed25519PrivateKey = field(repr=False)
    key_id: str

    @property
    def public(self) -> Ed25519PublicKey:
        """The half that anybody may have."""
        return self.private.public_key()

    @property
    def public_pem(self) -> str:
        """The public key in PEM (SubjectPublicKeyInfo, RFC 5280)."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of a deployment."""

    master: MasterKeys
    signing: SigningKey


def load_keys(data_dir: Path, master_key_file: Path | None, signing_key_file: Path | None) -> Keys:
    """Read the key files; those in ``data_dir`` are made when they aren't there.

    Args:
        data_dir: The deployment's folder.
        master_key_file: The file that the settings name, or None for ``keys/master.keys``.
        signing_key_file: The file that the settings name, or None for ``keys/signing.pem``.

    Raises:
        ConfigurationError: A named file is missing, or a file is unreadable, malformed or open to
            everybody.
    """
    master, signing = key_files(data_dir, master_key_file, signing_key_file)
    if master_key_file is None:
        _make(master, _new_master)
    if signing_key_file is None:
        _make(signing, _new_signing)
    return Keys(_read_master(master), _read_signing(signing))


def key_files(
    data_dir: Path, master_key_file: Path | None, signing_key_file: Path | None
) -> tuple[Path, Path]:
    """Where the master keys and the signing key stand; the arguments are those of :func:`load_keys`."""
    own = data_dir / "keys"
    return master_key_file or own / "master.keys", signing_key_file or own / "signing.pem"


def _make(path: Path, make: Callable[[], bytes]) -> None:
    """Make the file when it isn't there: whole or not at all, and once when two hosts start."""
    if path.exists():
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, this never replaces the key that another host made
        except FileExistsError:
            return
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigurationError(f"the key file {path} can't be made: {error.strerror or error}") from error


def _new_master() -> bytes:
    key_id = secrets.token_hex(4)
    return f"{key_id} {base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}\n".encode()


def _new_signing() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the key file {path} can't be read: {error.strerror or error}") from error
    if mode & stat.S_IRWXO:
        raise ConfigurationError(
            f"the key file {path} is open to every user of the machine", hint=f"run chmod 600 {path}"
        )
    return content


def _read_master(path: Path) -> MasterKeys:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(_read(path).decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key_id, _, text = line.strip().partition(" ")
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES or not key_id.isalnum() or key_id in keys:
            raise ConfigurationError(
                f"line {number} of the key file {path} isn't '<key id> <32 bytes in base64>' with a new id"
            )
        keys[key_id] = key
    if not keys:
        raise ConfigurationError(f"the key file {path} holds no key")
    return MasterKeys(keys)


def _read_signing(path: Path) -> SigningKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the key file {path} holds no unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"the key in {path} isn't an Ed25519 key", hint="openssl genpkey -algorithm ed25519 makes one"
        )
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(key, hashlib.sha256(raw).hexdigest()[:16])
