"""Receipts can be checked by anybody, and not be changed by anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from computor_core.services.receipts import GENESIS, ReceiptClaim, sign, verify

CLAIM = ReceiptClaim(
    submission_group_id=UUID(int=1),
    artifact_id=UUID(int=2),
    sequence=1,
    previous_hash=GENESIS,
    tree_hash="ab" * 32,
    received_at=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
    due_at=None,
    official=True,
)


def test_a_receipt_verifies_with_the_public_key_alone() -> None:
    key = Ed25519PrivateKey.generate()
    receipt = sign(CLAIM, key)
    assert verify(receipt.body, receipt.signature, key.public_key())
    values = json.loads(receipt.body)
    assert values["received_at"] == "2026-03-01T12:00:00.000001Z"
    assert values["tree_hash"] == CLAIM.tree_hash


def test_a_changed_body_another_key_and_a_damaged_signature_fail() -> None:
    key = Ed25519PrivateKey.generate()
    receipt = sign(CLAIM, key)
    changed = receipt.body.replace('"sequence":1', '"sequence":2')
    assert changed != receipt.body
    assert not verify(changed, receipt.signature, key.public_key())
    assert not verify(receipt.body, receipt.signature, Ed25519PrivateKey.generate().public_key())
    assert not verify(receipt.body, "not base64!", key.public_key())


def test_each_receipt_names_the_one_before_it() -> None:
    key = Ed25519PrivateKey.generate()
    first = sign(CLAIM, key)
    second = sign(replace(CLAIM, sequence=2, previous_hash=first.hash), key)
    assert json.loads(second.body)["previous_hash"] == first.hash
    assert second.hash != first.hash
