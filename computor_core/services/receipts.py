"""Receipts: signed, chained proof of what was submitted when.

A receipt's body is canonical JSON (sorted keys, no spaces, ASCII), so that anybody can check
the signature (Ed25519, RFC 8032) with the public key and nothing of this project.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from uuid import UUID

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GENESIS = "0" * 64
"""What the first receipt of a submission group names as its predecessor."""


@dataclass(frozen=True, slots=True)
class ReceiptClaim:
    """What a receipt states.

    Attributes:
        submission_group_id, artifact_id: Whose submission, and which.
        sequence: 1, 2, 3, … within the group.
        previous_hash: Hash of the receipt before it, 64 zeros for the first.
        tree_hash: Identity of the submitted files.
        received_at: Start of the authenticated request.
        due_at: The due date that held for the group then.
        official: Whether it counts.
    """

    submission_group_id: UUID
    artifact_id: UUID
    sequence: int
    previous_hash: str
    tree_hash: str
    received_at: datetime
    due_at: datetime | None
    official: bool

    def body(self) -> str:
        """The exact text that is signed."""
        values = {
            "type": "computor.receipt.v1",
            "submission_group_id": str(self.submission_group_id),
            "artifact_id": str(self.artifact_id),
            "sequence": self.sequence,
            "previous_hash": self.previous_hash,
            "tree_hash": self.tree_hash,
            "received_at": _instant(self.received_at),
            "due_at": _instant(self.due_at) if self.due_at else None,
            "official": self.official,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt's body, its SHA-256 (hex) and its signature (base64)."""

    body: str
    hash: str
    signature: str


def sign(claim: ReceiptClaim, key: Ed25519PrivateKey) -> SignedReceipt:
    """Sign a claim."""
    body = claim.body()
    signature = base64.b64encode(key.sign(body.encode())).decode()
    return SignedReceipt(body, hashlib.sha256(body.encode()).hexdigest(), signature)


def verify(body: str, signature: str, key: Ed25519PublicKey) -> bool:
    """Whether the signature is the key's over the body."""
    try:
        key.verify(base64.b64decode(signature, validate=True), body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
