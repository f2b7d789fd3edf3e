"""Notes on course members.

Revision: 0001
Before it: nothing
"""

import sqlalchemy as sa
from alembic import op

from computor_core.plugin_api import db as types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "notes_note",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_member_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("settled_at", types.UtcDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.CheckConstraint(
            "(state = 'settled') = (settled_at IS NOT NULL)", name=op.f("ck_notes_note__settled_at")
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["user.id"], name=op.f("fk_notes_note__author_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            name=op.f("fk_notes_note__course_id_course_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_notes_note__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_notes_note__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes_note")),
        info={"owner": "notes"},
    )
    with op.batch_alter_table("notes_note", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notes_note__author_id"), ["author_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_notes_note__course_id_course_member_id"),
            ["course_id", "course_member_id"],
            unique=False,
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("notes_note", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notes_note__course_id_course_member_id"))
        batch_op.drop_index(batch_op.f("ix_notes_note__author_id"))

    op.drop_table("notes_note")
