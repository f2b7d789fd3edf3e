"""Receipts: anybody with the public key can check a group's whole chain, and nothing of it is ours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import select

from computor_core.model import Receipt
from tests.support.deployment import PROGRAM, RIGHT, WRONG, Classroom, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def public_key(site: Deployment) -> Ed25519PublicKey:
    """The key as the host hands it out."""
    key = load_pem_public_key(site.app.keys.signing.public_pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    return key


async def chain(site: Deployment, group_id: Any) -> list[Any]:
    statement = select(Receipt.__table__).where(Receipt.submission_group_id == group_id)
    return await site.rows(statement.order_by(Receipt.sequence))


def check_chain(receipts: list[Any], key: Ed25519PublicKey) -> list[dict[str, Any]]:
    """Check signatures, hashes and order; returns what the receipts state."""
    previous, claims = "0" * 64, []
    for number, receipt in enumerate(receipts, start=1):
        key.verify(base64.b64decode(receipt.signature), receipt.body.encode())
        claim = json.loads(receipt.body)
        assert receipt.hash == hashlib.sha256(receipt.body.encode()).hexdigest()
        assert (claim["sequence"], receipt.sequence) == (number, number)
        assert claim["previous_hash"] == receipt.previous_hash == previous
        previous = receipt.hash
        claims.append(claim)
    return claims


async def test_a_receipt_states_what_when_and_for_whom(
    site: Deployment, room: Classroom, public_key: Ed25519PublicKey
) -> None:
    due = site.clock.now() + timedelta(hours=1)
    assignment = await room.assignment(due_at=due)
    accepted = await site.submit(room.student, assignment)
    (claim,) = check_chain(await chain(site, accepted.submission_group_id), public_key)
    assert claim == {
        "type": "computor.receipt.v1",
        "submission_group_id": str(accepted.submission_group_id),
        "artifact_id": str(accepted.artifact_id),
        "sequence": 1,
        "previous_hash": "0" * 64,
        "tree_hash": accepted.tree_hash,
        "received_at": accepted.received_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "due_at": due.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "official": True,
    }
    assert datetime.fromisoformat(claim["received_at"]).tzinfo == UTC


async def test_the_answer_is_the_stored_receipt(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    (stored,) = await chain(site, accepted.submission_group_id)
    view = accepted.receipt
    assert (view.body, view.hash, view.signature) == (stored.body, stored.hash, stored.signature)
    assert (view.sequence, view.key_id) == (1, site.app.keys.signing.key_id)


async def test_each_receipt_names_the_one_before_it_practice_runs_included(
    site: Deployment, room: Classroom, public_key: Ed25519PublicKey
) -> None:
    assignment = await room.assignment()
    accepted = [
        await site.submit(room.student, assignment, files, official=official)
        for files, official in ((RIGHT, True), (WRONG, False), ({PROGRAM: b""}, True), (RIGHT, True))
    ]
    claims = check_chain(await chain(site, accepted[0].submission_group_id), public_key)
    assert [item["artifact_id"] for item in claims] == [str(item.artifact_id) for item in accepted]
    assert [item["official"] for item in claims] == [True, False, True, True]


async def test_groups_have_chains_of_their_own(
    site: Deployment, room: Classroom, public_key: Ed25519PublicKey
) -> None:
    assignment = await room.assignment()
    for person in (room.student, await room.join()):
        accepted = await site.submit(person, assignment)
        assert len(check_chain(await chain(site, accepted.submission_group_id), public_key)) == 1


async def test_parallel_submissions_of_a_group_are_one_chain(
    site: Deployment, room: Classroom, public_key: Ed25519PublicKey
) -> None:
    assignment = await room.assignment()
    people = [room.student, await room.join()]
    accepted = await asyncio.gather(
        *(site.submit(person, assignment) for _ in range(12) for person in people)
    )
    for group_id in {item.submission_group_id for item in accepted}:
        assert len(check_chain(await chain(site, group_id), public_key)) == 12


async def test_a_changed_receipt_no_longer_verifies(
    site: Deployment, room: Classroom, public_key: Ed25519PublicKey
) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    forged = accepted.receipt.body.replace('"official":true', '"official":false')
    assert forged != accepted.receipt.body
    with pytest.raises(InvalidSignature):
        public_key.verify(base64.b64decode(accepted.receipt.signature), forged.encode())
