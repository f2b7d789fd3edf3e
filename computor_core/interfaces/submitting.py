"""What submitting answers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto


class ReceiptView(Dto):
    """The signed receipt of a submission."""

    sequence: int = Field(description="1, 2, 3, … within the submission group.")
    body: str = Field(description="The exact text that the signature signs (canonical JSON).")
    hash: str = Field(description="SHA-256 of the body, hexadecimal; the next receipt names it.")
    signature: str = Field(description="Ed25519 signature (RFC 8032) over the body, base64.")
    key_id: str = Field(description="Which public key checks it.")


class SubmissionAccepted(Dto):
    """An accepted submission: where it is, its receipt and what happens next."""

    artifact_id: UUID = Field(description="The submitted files.")
    submission_group_id: UUID = Field(description="Whose submission it is.")
    test_run_id: UUID = Field(description="The test that was started.")
    tree_hash: str = Field(description="Identity of the submitted files.")
    received_at: datetime = Field(description="When it counts as received.")
    official: bool = Field(description="Whether it uses an attempt and counts.")
    window: str = Field(description="`open` or `late`.")
    attempts_left: int | None = Field(description="Official submissions left, null for without limit.")
    receipt: ReceiptView = Field(description="Proof for the student.")
