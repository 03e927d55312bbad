"""runners over SSH, what happened to runners, and fresh tries of ended episodes"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for name in ("host", "ssh_user", "key_path", "host_key", "home", "boot_id"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("port", sa.Integer(), nullable=False, server_default="22"))
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reported_boot_id", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("gone", sa.Boolean(), nullable=False, server_default="0"))
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retry_of", sa.String(), nullable=True))
    op.create_table(
        "runner_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["runner"], ["runner.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("runner_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_runner_event_runner"), ["runner"], unique=False)


def downgrade() -> None:
    op.drop_table("runner_event")
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.drop_column("retry_of")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_column("gone")
        batch_op.drop_column("reported_boot_id")
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for name in ("port", "boot_id", "home", "host_key", "key_path", "ssh_user", "host"):
            batch_op.drop_column(name)
