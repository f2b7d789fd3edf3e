"""Core tables.

Revision: 0001
Before it: nothing
"""

import sqlalchemy as sa
from alembic import op

from computor_core.db import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", types.UtcDateTime(), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_label", sa.String(length=128), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("row_id", sa.String(length=128), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=True),
        sa.Column("before_digest", sa.String(length=64), nullable=True),
        sa.Column("after_digest", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_event__course_id_id"), ["course_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_audit_event__entity_row_id_id"), ["entity", "row_id", "id"], unique=False
        )

    op.create_table(
        "blob",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("storage_instance", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("references", sa.BigInteger(), nullable=False),
        sa.Column("staged_until", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint('"references" >= 0', name=op.f("ck_blob__references")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob")),
        sa.UniqueConstraint("storage_instance", "sha256", name=op.f("uq_blob__storage_instance_sha256")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("blob", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_blob__state_staged_until"), ["state", "staged_until"], unique=False
        )

    op.create_table(
        "course_content_kind",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("has_children", sa.Boolean(), nullable=False),
        sa.Column("submittable", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_content_kind")),
        info={"owner": "core"},
    )
    op.create_table(
        "event_cursor",
        sa.Column("consumer", sa.String(length=128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_event_cursor")),
        info={"owner": "core"},
    )
    op.create_table(
        "event_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("occurred_at", types.UtcDateTime(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("payload", types.JsonType, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_log")),
        sa.UniqueConstraint("seq", name=op.f("uq_event_log__seq")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("event_log", schema=None) as batch_op:
        batch_op.create_index(
            "ix_event_log__unstamped",
            ["id"],
            unique=False,
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        )

    op.create_table(
        "event_skip",
        sa.Column("consumer", sa.String(length=128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=False),
        sa.Column("error", sa.String(length=2000), nullable=False),
        sa.Column("skipped_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "seq", name=op.f("pk_event_skip")),
        info={"owner": "core"},
    )
    op.create_table(
        "idempotency_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("route", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", types.JsonType, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint(
            "principal", "route", "key", name=op.f("uq_idempotency_key__principal_route_key")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_key__created_at"), ["created_at"], unique=False)

    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        info={"owner": "core"},
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow", sa.String(length=128), nullable=False),
        sa.Column("workflow_version", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("engine_instance", sa.String(length=64), nullable=False),
        sa.Column("input", types.JsonType, nullable=False),
        sa.Column("dispatched_at", types.UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("available_at", types.UtcDateTime(), nullable=False),
        sa.Column("last_error", sa.String(length=2000), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("run_id", name=op.f("uq_outbox__run_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox__undispatched",
            ["available_at"],
            unique=False,
            sqlite_where=sa.text("dispatched_at IS NULL"),
            postgresql_where=sa.text("dispatched_at IS NULL"),
        )

    op.create_table(
        "role",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("builtin", sa.Boolean(), nullable=False),
        sa.Column("plugin", sa.String(length=64), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("scope", "name", name=op.f("uq_role__scope_name")),
        info={"owner": "core"},
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("given_name", sa.String(length=255), nullable=False),
        sa.Column("family_name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("email_key", sa.String(length=320), nullable=True),
        sa.Column("email_verified_at", types.UtcDateTime(), nullable=True),
        sa.Column("is_service", sa.Boolean(), nullable=False),
        sa.Column("banned_at", types.UtcDateTime(), nullable=True),
        sa.Column("ban_reason", sa.String(length=2000), nullable=True),
        sa.Column("grants_epoch", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_user__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_user__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.create_index(
            "uq_user__email_key",
            ["email_key"],
            unique=True,
            sqlite_where=sa.text("archived_at IS NULL"),
            postgresql_where=sa.text("archived_at IS NULL"),
        )

    op.create_table(
        "workflow_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow", sa.String(length=128), nullable=False),
        sa.Column("workflow_version", sa.BigInteger(), nullable=False),
        sa.Column("engine_instance", sa.String(length=64), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("input", types.JsonType, nullable=True),
        sa.Column("output", types.JsonType, nullable=True),
        sa.Column("error", types.JsonType, nullable=True),
        sa.Column("progress", types.JsonType, nullable=False),
        sa.Column("cancel_requested_at", types.UtcDateTime(), nullable=True),
        sa.Column("deadline_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("settle_at", types.UtcDateTime(), nullable=True),
        sa.Column("settle_attempts", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", types.UtcDateTime(), nullable=True),
        sa.Column("checked_at", types.UtcDateTime(), nullable=True),
        sa.Column("wake_at", types.UtcDateTime(), nullable=True),
        sa.Column("news", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", types.UtcDateTime(), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["workflow_run.id"], name=op.f("fk_workflow_run__parent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_run")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("workflow_run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_workflow_run__engine_instance_state_wake_at"),
            ["engine_instance", "state", "wake_at"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_workflow_run__parent_id"), ["parent_id"], unique=False)
        batch_op.create_index(
            "ix_workflow_run__unsettled",
            ["settle_at"],
            unique=False,
            sqlite_where=sa.text("settle_at IS NOT NULL"),
            postgresql_where=sa.text("settle_at IS NOT NULL"),
        )

    op.create_table(
        "workflow_signal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("payload", types.JsonType, nullable=False),
        sa.Column("delivered_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_signal")),
        sa.UniqueConstraint("name", "key", name=op.f("uq_workflow_signal__name_key")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("workflow_signal", schema=None) as batch_op:
        batch_op.create_index(
            "ix_workflow_signal__undelivered",
            ["id"],
            unique=False,
            sqlite_where=sa.text("delivered_at IS NULL"),
            postgresql_where=sa.text("delivered_at IS NULL"),
        )

    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("auth_instance", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_account__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_account__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_account__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("auth_instance", "subject", name=op.f("uq_account__auth_instance_subject")),
        sa.UniqueConstraint("auth_instance", "user_id", name=op.f("uq_account__auth_instance_user_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account__user_id"), ["user_id"], unique=False)

    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", types.JsonType, nullable=True),
        sa.Column("expires_at", types.UtcDateTime(), nullable=True),
        sa.Column("last_used_at", types.UtcDateTime(), nullable=True),
        sa.Column("revoked_at", types.UtcDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_api_token__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_api_token__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_api_token__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token__token_hash")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_token__user_id"), ["user_id"], unique=False)

    op.create_table(
        "audit_value",
        sa.Column("audit_event_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("before", types.JsonType, nullable=True),
        sa.Column("after", types.JsonType, nullable=True),
        sa.ForeignKeyConstraint(
            ["audit_event_id"],
            ["audit_event.id"],
            name=op.f("fk_audit_value__audit_event_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("audit_event_id", name=op.f("pk_audit_value")),
        info={"owner": "core"},
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("path", types.PathType, nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=4096), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_organization__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organization.id"], name=op.f("fk_organization__parent_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_organization__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("path", name=op.f("uq_organization__path")),
        info={"owner": "core"},
    )
    op.create_table(
        "provider_binding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("scope_key", sa.String(length=36), nullable=False),
        sa.Column("seam", sa.String(length=32), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_provider_binding__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_provider_binding__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_binding")),
        sa.UniqueConstraint(
            "scope", "scope_key", "seam", name=op.f("uq_provider_binding__scope_scope_key_seam")
        ),
        info={"owner": "core"},
    )
    op.create_table(
        "role_action",
        sa.Column("role_id", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_role_action__role_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "action", name=op.f("pk_role_action")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("role_action", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_role_action__action"), ["action"], unique=False)

    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("csrf_hash", sa.String(length=64), nullable=False),
        sa.Column("auth_instance", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=512), nullable=False),
        sa.Column("expires_at", types.UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", types.UtcDateTime(), nullable=False),
        sa.Column("revoked_at", types.UtcDateTime(), nullable=True),
        sa.Column("revocation_reason", sa.String(length=255), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_session__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_session__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_session__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_session__token_hash")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session__user_id"), ["user_id"], unique=False)

    op.create_table(
        "user_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_user_role__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_user_role__role_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_user_role__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_user_role__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_role")),
        sa.UniqueConstraint("user_id", "role_id", name=op.f("uq_user_role__user_id_role_id")),
        info={"owner": "core"},
    )
    op.create_table(
        "workflow_step",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("wake_at", types.UtcDateTime(), nullable=True),
        sa.Column("resolved_at", types.UtcDateTime(), nullable=True),
        sa.Column("input", types.JsonType, nullable=True),
        sa.Column("output", types.JsonType, nullable=True),
        sa.Column("error", types.JsonType, nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_run.id"], name=op.f("fk_workflow_step__run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_workflow_step")),
        sa.UniqueConstraint("run_id", "ordinal", name=op.f("uq_workflow_step__run_id_ordinal")),
        info={"owner": "core"},
    )
    op.create_table(
        "workflow_wait",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("payload", types.JsonType, nullable=True),
        sa.Column("arrived_at", types.UtcDateTime(), nullable=True),
        sa.Column("told_at", types.UtcDateTime(), nullable=True),
        sa.Column("closed_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_run.id"], name=op.f("fk_workflow_wait__run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_workflow_wait")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("workflow_wait", schema=None) as batch_op:
        batch_op.create_index(
            "ix_workflow_wait__open",
            ["name", "key"],
            unique=False,
            sqlite_where=sa.text("told_at IS NULL AND closed_at IS NULL"),
            postgresql_where=sa.text("told_at IS NULL AND closed_at IS NULL"),
        )

    op.create_table(
        "course_family",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("slug", types.PathType, nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=4096), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_family__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_course_family__organization_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_family__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_family")),
        sa.UniqueConstraint("organization_id", "id", name=op.f("uq_course_family__organization_id_id")),
        sa.UniqueConstraint("organization_id", "slug", name=op.f("uq_course_family__organization_id_slug")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("course_family", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_course_family__organization_id"), ["organization_id"], unique=False
        )

    op.create_table(
        "example",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("identifier", types.PathType, nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_example__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_example__organization_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_example__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_example")),
        sa.UniqueConstraint(
            "organization_id", "identifier", name=op.f("uq_example__organization_id_identifier")
        ),
        info={"owner": "core"},
    )
    op.create_table(
        "organization_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_organization_member__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_organization_member__organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_organization_member__role_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_organization_member__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_organization_member__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_member")),
        sa.UniqueConstraint(
            "organization_id", "user_id", name=op.f("uq_organization_member__organization_id_user_id")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("organization_member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_organization_member__user_id_organization_id_role_id"),
            ["user_id", "organization_id", "role_id"],
            unique=False,
        )

    op.create_table(
        "course",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("course_family_id", sa.Uuid(), nullable=False),
        sa.Column("slug", types.PathType, nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=4096), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "course_family_id"],
            ["course_family.organization_id", "course_family.id"],
            name=op.f("fk_course__organization_id_course_family_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course")),
        sa.UniqueConstraint("course_family_id", "slug", name=op.f("uq_course__course_family_id_slug")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("course", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_course__organization_id_id"), ["organization_id", "id"], unique=False
        )

    op.create_table(
        "course_family_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_family_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_family_id"],
            ["course_family.id"],
            name=op.f("fk_course_family_member__course_family_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_family_member__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_course_family_member__role_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_family_member__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_course_family_member__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_family_member")),
        sa.UniqueConstraint(
            "course_family_id", "user_id", name=op.f("uq_course_family_member__course_family_id_user_id")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("course_family_member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_course_family_member__user_id_course_family_id_role_id"),
            ["user_id", "course_family_id", "role_id"],
            unique=False,
        )

    op.create_table(
        "example_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("example_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("version_tag", sa.String(length=64), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("language", sa.String(length=64), nullable=False),
        sa.Column("license", sa.String(length=64), nullable=False),
        sa.Column("integrity", sa.String(length=16), nullable=False),
        sa.Column("tree_hash", sa.String(length=64), nullable=False),
        sa.Column("storage_instance", sa.String(length=64), nullable=False),
        sa.Column("files", types.JsonType, nullable=False),
        sa.Column("spec", types.JsonType, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_example_version__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["example_id"], ["example.id"], name=op.f("fk_example_version__example_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_example_version__organization_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_example_version__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_example_version")),
        sa.UniqueConstraint("example_id", "ordinal", name=op.f("uq_example_version__example_id_ordinal")),
        sa.UniqueConstraint(
            "example_id", "version_tag", name=op.f("uq_example_version__example_id_version_tag")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("example_version", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_example_version__organization_id_id"), ["organization_id", "id"], unique=False
        )

    op.create_table(
        "course_content_type",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("kind_id", sa.String(length=64), nullable=False),
        sa.Column("slug", types.PathType, nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("color", sa.String(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_course_content_type__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_content_type__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["kind_id"],
            ["course_content_kind.id"],
            name=op.f("fk_course_content_type__kind_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_content_type__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_content_type")),
        sa.UniqueConstraint(
            "course_id", "id", "kind_id", name=op.f("uq_course_content_type__course_id_id_kind_id")
        ),
        sa.UniqueConstraint("course_id", "slug", name=op.f("uq_course_content_type__course_id_slug")),
        info={"owner": "core"},
    )
    op.create_table(
        "course_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_course_member__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_member__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_course_member__role_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_member__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_course_member__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_member")),
        sa.UniqueConstraint("course_id", "id", name=op.f("uq_course_member__course_id_id")),
        sa.UniqueConstraint("course_id", "user_id", name=op.f("uq_course_member__course_id_user_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("course_member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_course_member__user_id_course_id_role_id"),
            ["user_id", "course_id", "role_id"],
            unique=False,
        )

    op.create_table(
        "course_repository",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("git_instance", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=512), nullable=False),
        sa.Column("http_url", sa.String(length=1024), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_course_repository__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_repository__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_repository__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_repository")),
        sa.UniqueConstraint("course_id", "purpose", name=op.f("uq_course_repository__course_id_purpose")),
        sa.UniqueConstraint(
            "git_instance", "external_id", name=op.f("uq_course_repository__git_instance_external_id")
        ),
        info={"owner": "core"},
    )
    op.create_table(
        "course_content",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("content_type_id", sa.Uuid(), nullable=False),
        sa.Column("kind_id", sa.String(length=64), nullable=False),
        sa.Column("path", types.PathType, nullable=False),
        sa.Column("parent_key", types.PathType, nullable=False),
        sa.Column("position", types.PathType, nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("archived_at", types.UtcDateTime(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "content_type_id", "kind_id"],
            ["course_content_type.course_id", "course_content_type.id", "course_content_type.kind_id"],
            name=op.f("fk_course_content__course_id_content_type_id_kind_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_course_content__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_course_content__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_course_content__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_content")),
        sa.UniqueConstraint("course_id", "id", name=op.f("uq_course_content__course_id_id")),
        sa.UniqueConstraint(
            "course_id",
            "parent_key",
            "position",
            name=op.f("uq_course_content__course_id_parent_key_position"),
        ),
        sa.UniqueConstraint("course_id", "path", name=op.f("uq_course_content__course_id_path")),
        info={"owner": "core"},
    )
    op.create_table(
        "member_repository",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_member_id", sa.Uuid(), nullable=False),
        sa.Column("git_instance", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=512), nullable=False),
        sa.Column("http_url", sa.String(length=1024), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            name=op.f("fk_member_repository__course_id_course_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_member_repository__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_member_repository__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_repository")),
        sa.UniqueConstraint("course_member_id", name=op.f("uq_member_repository__course_member_id")),
        sa.UniqueConstraint(
            "git_instance", "external_id", name=op.f("uq_member_repository__git_instance_external_id")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("member_repository", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_member_repository__course_id_id"), ["course_id", "id"], unique=False
        )

    op.create_table(
        "assignment_schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_content_id", sa.Uuid(), nullable=False),
        sa.Column("releases_at", types.UtcDateTime(), nullable=True),
        sa.Column("due_at", types.UtcDateTime(), nullable=True),
        sa.Column("closes_at", types.UtcDateTime(), nullable=True),
        sa.Column("max_attempts", sa.BigInteger(), nullable=True),
        sa.Column("points", types.PointsType, nullable=False),
        sa.Column("minimum_integrity", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.CheckConstraint(
            "due_at IS NULL OR closes_at IS NULL OR due_at <= closes_at",
            name=op.f("ck_assignment_schedule__due_close"),
        ),
        sa.CheckConstraint(
            "max_attempts IS NULL OR max_attempts > 0", name=op.f("ck_assignment_schedule__max_attempts")
        ),
        sa.CheckConstraint("points >= 0", name=op.f("ck_assignment_schedule__points")),
        sa.CheckConstraint(
            "releases_at IS NULL OR closes_at IS NULL OR releases_at <= closes_at",
            name=op.f("ck_assignment_schedule__release_close"),
        ),
        sa.CheckConstraint(
            "releases_at IS NULL OR due_at IS NULL OR releases_at <= due_at",
            name=op.f("ck_assignment_schedule__release_due"),
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            name=op.f("fk_assignment_schedule__course_id_course_content_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_assignment_schedule__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_assignment_schedule__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_schedule")),
        sa.UniqueConstraint("course_content_id", name=op.f("uq_assignment_schedule__course_content_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("assignment_schedule", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_assignment_schedule__course_id_id"), ["course_id", "id"], unique=False
        )

    op.create_table(
        "content_deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_content_id", sa.Uuid(), nullable=False),
        sa.Column("example_version_id", sa.Uuid(), nullable=False),
        sa.Column("released_version_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("template_commit", sa.String(length=64), nullable=True),
        sa.Column("reference_commit", sa.String(length=64), nullable=True),
        sa.Column("deployed_at", types.UtcDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            name=op.f("fk_content_deployment__course_id_course_content_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_content_deployment__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["example_version_id"],
            ["example_version.id"],
            name=op.f("fk_content_deployment__example_version_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["released_version_id"],
            ["example_version.id"],
            name=op.f("fk_content_deployment__released_version_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_content_deployment__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_deployment")),
        sa.UniqueConstraint("course_content_id", name=op.f("uq_content_deployment__course_content_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("content_deployment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_content_deployment__course_id_id"), ["course_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_content_deployment__example_version_id"), ["example_version_id"], unique=False
        )

    op.create_table(
        "submission_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_content_id", sa.Uuid(), nullable=False),
        sa.Column("attempts_used", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.CheckConstraint("attempts_used >= 0", name=op.f("ck_submission_group__attempts_used")),
        sa.ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            name=op.f("fk_submission_group__course_id_course_content_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_submission_group__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_submission_group__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission_group")),
        sa.UniqueConstraint(
            "course_content_id", "id", name=op.f("uq_submission_group__course_content_id_id")
        ),
        sa.UniqueConstraint("course_id", "id", name=op.f("uq_submission_group__course_id_id")),
        info={"owner": "core"},
    )
    op.create_table(
        "artifact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("course_member_id", sa.Uuid(), nullable=False),
        sa.Column("transport", sa.String(length=16), nullable=False),
        sa.Column("official", sa.Boolean(), nullable=False),
        sa.Column("tree_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("storage_instance", sa.String(length=64), nullable=False),
        sa.Column("files", types.JsonType, nullable=False),
        sa.Column("git_commit", sa.String(length=64), nullable=True),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            name=op.f("fk_artifact__course_id_course_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            name=op.f("fk_artifact__course_id_submission_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_artifact__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_artifact__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
        sa.UniqueConstraint("course_id", "id", name=op.f("uq_artifact__course_id_id")),
        sa.UniqueConstraint("submission_group_id", "id", name=op.f("uq_artifact__submission_group_id_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_artifact__course_id_id"), ["course_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_artifact__course_id_received_at_id"),
            ["course_id", "received_at", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_artifact__course_member_id"), ["course_member_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_artifact__submission_group_id_received_at"),
            ["submission_group_id", "received_at"],
            unique=False,
        )

    op.create_table(
        "submission_group_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("course_content_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("course_member_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_content_id", "submission_group_id"],
            ["submission_group.course_content_id", "submission_group.id"],
            name=op.f("fk_submission_group_member__course_content_id_submission_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            name=op.f("fk_submission_group_member__course_id_course_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            name=op.f("fk_submission_group_member__course_id_submission_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["user.id"],
            name=op.f("fk_submission_group_member__created_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"],
            ["user.id"],
            name=op.f("fk_submission_group_member__updated_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_submission_group_member__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission_group_member")),
        sa.UniqueConstraint(
            "course_content_id",
            "course_member_id",
            name=op.f("uq_submission_group_member__course_content_id_course_member_id"),
        ),
        sa.UniqueConstraint(
            "submission_group_id",
            "course_member_id",
            name=op.f("uq_submission_group_member__submission_group_id_course_member_id"),
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("submission_group_member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_submission_group_member__course_id_id"), ["course_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_submission_group_member__course_member_id"), ["course_member_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_submission_group_member__user_id_submission_group_id"),
            ["user_id", "submission_group_id"],
            unique=False,
        )

    op.create_table(
        "grade",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("graded_by_id", sa.Uuid(), nullable=True),
        sa.Column("points", types.PointsType, nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("published_at", types.UtcDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.CheckConstraint("points >= 0", name=op.f("ck_grade__points")),
        sa.ForeignKeyConstraint(
            ["course_id", "artifact_id"],
            ["artifact.course_id", "artifact.id"],
            name=op.f("fk_grade__course_id_artifact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_grade__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["graded_by_id"], ["user.id"], name=op.f("fk_grade__graded_by_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["submission_group_id", "artifact_id"],
            ["artifact.submission_group_id", "artifact.id"],
            name=op.f("fk_grade__submission_group_id_artifact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_grade__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade")),
        sa.UniqueConstraint("artifact_id", "graded_by_id", name=op.f("uq_grade__artifact_id_graded_by_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("grade", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grade__course_id_id"), ["course_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_grade__submission_group_id_id"), ["submission_group_id", "id"], unique=False
        )

    op.create_table(
        "push_intent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("member_repository_id", sa.Uuid(), nullable=False),
        sa.Column("push_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("course_content_id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.String(length=1024), nullable=False),
        sa.Column("old_commit", sa.String(length=64), nullable=False),
        sa.Column("new_commit", sa.String(length=64), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("artifact_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name=op.f("fk_push_intent__artifact_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["course_content_id"],
            ["course_content.id"],
            name=op.f("fk_push_intent__course_content_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_push_intent__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_push_intent__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["member_repository_id"],
            ["member_repository.id"],
            name=op.f("fk_push_intent__member_repository_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_push_intent__updated_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_push_intent__user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_intent")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("push_intent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_push_intent__course_id_id"), ["course_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_push_intent__member_repository_id"), ["member_repository_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_push_intent__push_id"), ["push_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_push_intent__state_received_at"), ["state", "received_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_push_intent__user_id_id"), ["user_id", "id"], unique=False)

    op.create_table(
        "receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "artifact_id"],
            ["artifact.course_id", "artifact.id"],
            name=op.f("fk_receipt__course_id_artifact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_receipt__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["submission_group_id", "artifact_id"],
            ["artifact.submission_group_id", "artifact.id"],
            name=op.f("fk_receipt__submission_group_id_artifact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_receipt__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("artifact_id", name=op.f("uq_receipt__artifact_id")),
        sa.UniqueConstraint(
            "submission_group_id", "sequence", name=op.f("uq_receipt__submission_group_id_sequence")
        ),
        info={"owner": "core"},
    )
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipt__course_id_id"), ["course_id", "id"], unique=False)

    op.create_table(
        "test_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("artifact_id", sa.Uuid(), nullable=False),
        sa.Column("example_version_id", sa.Uuid(), nullable=False),
        sa.Column("runner_instance", sa.String(length=64), nullable=False),
        sa.Column("official", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=True),
        sa.Column("limit_exceeded", sa.String(length=16), nullable=True),
        sa.Column("integrity", sa.String(length=16), nullable=True),
        sa.Column("points", types.PointsType, nullable=True),
        sa.Column("max_points", types.PointsType, nullable=True),
        sa.Column("visible_verdict", sa.String(length=32), nullable=True),
        sa.Column("visible_points", types.PointsType, nullable=True),
        sa.Column("visible_max_points", types.PointsType, nullable=True),
        sa.Column("message", sa.String(length=4096), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("sections", types.JsonType, nullable=False),
        sa.Column("executions", sa.BigInteger(), nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", types.UtcDateTime(), nullable=True),
        sa.Column("replay", types.JsonType, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.CheckConstraint("(state = 'finished') = (verdict IS NOT NULL)", name=op.f("ck_test_run__verdict")),
        sa.ForeignKeyConstraint(
            ["course_id", "artifact_id"],
            ["artifact.course_id", "artifact.id"],
            name=op.f("fk_test_run__course_id_artifact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            name=op.f("fk_test_run__course_id_submission_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_test_run__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["example_version_id"],
            ["example_version.id"],
            name=op.f("fk_test_run__example_version_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_test_run__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_run")),
        sa.UniqueConstraint("course_id", "id", name=op.f("uq_test_run__course_id_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("test_run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_test_run__artifact_id_id"), ["artifact_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_test_run__state_created_at"), ["state", "created_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_test_run__submission_group_id_id"), ["submission_group_id", "id"], unique=False
        )

    op.create_table(
        "test_case_result",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("submission_group_id", sa.Uuid(), nullable=False),
        sa.Column("test_run_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("points", types.PointsType, nullable=False),
        sa.Column("max_points", types.PointsType, nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("actual", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.Column("properties", types.JsonType, nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            name=op.f("fk_test_case_result__course_id_submission_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["course_id", "test_run_id"],
            ["test_run.course_id", "test_run.id"],
            name=op.f("fk_test_case_result__course_id_test_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user.id"], name=op.f("fk_test_case_result__created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["updated_by"], ["user.id"], name=op.f("fk_test_case_result__updated_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_case_result")),
        sa.UniqueConstraint("test_run_id", "ordinal", name=op.f("uq_test_case_result__test_run_id_ordinal")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("test_case_result", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_test_case_result__course_id_id"), ["course_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_test_case_result__submission_group_id_id"),
            ["submission_group_id", "id"],
            unique=False,
        )

    op.create_table(
        "test_queue",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("test_run_id", sa.Uuid(), nullable=False),
        sa.Column("runner_instance", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("available_at", types.UtcDateTime(), nullable=False),
        sa.Column("lease_hash", sa.String(length=64), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", types.UtcDateTime(), nullable=True),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("report", types.JsonType, nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_test_queue__course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["test_run_id"], ["test_run.id"], name=op.f("fk_test_queue__test_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_queue")),
        sa.UniqueConstraint("test_run_id", name=op.f("uq_test_queue__test_run_id")),
        info={"owner": "core"},
    )
    with op.batch_alter_table("test_queue", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_test_queue__runner_instance_state_priority_available_at"),
            ["runner_instance", "state", "priority", "available_at"],
            unique=False,
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("test_queue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_test_queue__runner_instance_state_priority_available_at"))

    op.drop_table("test_queue")
    with op.batch_alter_table("test_case_result", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_test_case_result__submission_group_id_id"))
        batch_op.drop_index(batch_op.f("ix_test_case_result__course_id_id"))

    op.drop_table("test_case_result")
    with op.batch_alter_table("test_run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_test_run__submission_group_id_id"))
        batch_op.drop_index(batch_op.f("ix_test_run__state_created_at"))
        batch_op.drop_index(batch_op.f("ix_test_run__artifact_id_id"))

    op.drop_table("test_run")
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_receipt__course_id_id"))

    op.drop_table("receipt")
    with op.batch_alter_table("push_intent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_push_intent__user_id_id"))
        batch_op.drop_index(batch_op.f("ix_push_intent__state_received_at"))
        batch_op.drop_index(batch_op.f("ix_push_intent__push_id"))
        batch_op.drop_index(batch_op.f("ix_push_intent__member_repository_id"))
        batch_op.drop_index(batch_op.f("ix_push_intent__course_id_id"))

    op.drop_table("push_intent")
    with op.batch_alter_table("grade", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_grade__submission_group_id_id"))
        batch_op.drop_index(batch_op.f("ix_grade__course_id_id"))

    op.drop_table("grade")
    with op.batch_alter_table("submission_group_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_submission_group_member__user_id_submission_group_id"))
        batch_op.drop_index(batch_op.f("ix_submission_group_member__course_member_id"))
        batch_op.drop_index(batch_op.f("ix_submission_group_member__course_id_id"))

    op.drop_table("submission_group_member")
    with op.batch_alter_table("artifact", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_artifact__submission_group_id_received_at"))
        batch_op.drop_index(batch_op.f("ix_artifact__course_member_id"))
        batch_op.drop_index(batch_op.f("ix_artifact__course_id_received_at_id"))
        batch_op.drop_index(batch_op.f("ix_artifact__course_id_id"))

    op.drop_table("artifact")
    op.drop_table("submission_group")
    with op.batch_alter_table("content_deployment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_content_deployment__example_version_id"))
        batch_op.drop_index(batch_op.f("ix_content_deployment__course_id_id"))

    op.drop_table("content_deployment")
    with op.batch_alter_table("assignment_schedule", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_schedule__course_id_id"))

    op.drop_table("assignment_schedule")
    with op.batch_alter_table("member_repository", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_repository__course_id_id"))

    op.drop_table("member_repository")
    op.drop_table("course_content")
    op.drop_table("course_repository")
    with op.batch_alter_table("course_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_course_member__user_id_course_id_role_id"))

    op.drop_table("course_member")
    op.drop_table("course_content_type")
    with op.batch_alter_table("example_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_example_version__organization_id_id"))

    op.drop_table("example_version")
    with op.batch_alter_table("course_family_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_course_family_member__user_id_course_family_id_role_id"))

    op.drop_table("course_family_member")
    with op.batch_alter_table("course", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_course__organization_id_id"))

    op.drop_table("course")
    with op.batch_alter_table("organization_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_organization_member__user_id_organization_id_role_id"))

    op.drop_table("organization_member")
    op.drop_table("example")
    with op.batch_alter_table("course_family", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_course_family__organization_id"))

    op.drop_table("course_family")
    with op.batch_alter_table("workflow_wait", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_workflow_wait__open",
            sqlite_where=sa.text("told_at IS NULL AND closed_at IS NULL"),
            postgresql_where=sa.text("told_at IS NULL AND closed_at IS NULL"),
        )

    op.drop_table("workflow_wait")
    op.drop_table("workflow_step")
    op.drop_table("user_role")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session__user_id"))

    op.drop_table("session")
    with op.batch_alter_table("role_action", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_role_action__action"))

    op.drop_table("role_action")
    op.drop_table("provider_binding")
    op.drop_table("organization")
    op.drop_table("audit_value")
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_token__user_id"))

    op.drop_table("api_token")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account__user_id"))

    op.drop_table("account")
    with op.batch_alter_table("workflow_signal", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_workflow_signal__undelivered",
            sqlite_where=sa.text("delivered_at IS NULL"),
            postgresql_where=sa.text("delivered_at IS NULL"),
        )

    op.drop_table("workflow_signal")
    with op.batch_alter_table("workflow_run", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_workflow_run__unsettled",
            sqlite_where=sa.text("settle_at IS NOT NULL"),
            postgresql_where=sa.text("settle_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_workflow_run__parent_id"))
        batch_op.drop_index(batch_op.f("ix_workflow_run__engine_instance_state_wake_at"))

    op.drop_table("workflow_run")
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_user__email_key",
            sqlite_where=sa.text("archived_at IS NULL"),
            postgresql_where=sa.text("archived_at IS NULL"),
        )

    op.drop_table("user")
    op.drop_table("role")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox__undispatched",
            sqlite_where=sa.text("dispatched_at IS NULL"),
            postgresql_where=sa.text("dispatched_at IS NULL"),
        )

    op.drop_table("outbox")
    op.drop_table("lease")
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_key__created_at"))

    op.drop_table("idempotency_key")
    op.drop_table("event_skip")
    with op.batch_alter_table("event_log", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_event_log__unstamped",
            sqlite_where=sa.text("seq IS NULL"),
            postgresql_where=sa.text("seq IS NULL"),
        )

    op.drop_table("event_log")
    op.drop_table("event_cursor")
    op.drop_table("course_content_kind")
    with op.batch_alter_table("blob", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_blob__state_staged_until"))

    op.drop_table("blob")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event__entity_row_id_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event__course_id_id"))

    op.drop_table("audit_event")
