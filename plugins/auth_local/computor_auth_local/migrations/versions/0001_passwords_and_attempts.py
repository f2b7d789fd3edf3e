"""Passwords and failed sign-ins.

Revision: 0001
Before it:
"""

import sqlalchemy as sa
from alembic import op

from computor_core.plugin_api.db import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "auth_local_password",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_auth_local_password__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_auth_local_password")),
        info={"owner": "auth_local"},
    )
    op.create_table(
        "auth_local_login_attempt",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("last_failure_at", UtcDateTime(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_auth_local_login_attempt")),
        info={"owner": "auth_local"},
    )
    op.create_index(
        op.f("ix_auth_local_login_attempt__last_failure_at"),
        "auth_local_login_attempt",
        ["last_failure_at"],
        unique=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("auth_local_login_attempt")
    op.drop_table("auth_local_password")
