"""runners that sleep: how they are woken, what is under way, the wakes that have ended; who submitted an episode"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXTS = ("mac", "broadcast", "interface", "secureon", "stay_awake_why")
NAMES = ("sleeps", "slept")
MOMENTS = (
    "busy_until",
    "awake_since",
    "asleep_since",
    "suspending_since",
    "suspend_sent_at",
    "stay_awake_until",
    "failures_since",
    "quarantined_since",
)


def upgrade() -> None:
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.add_column(sa.Column("submitter", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for name in TEXTS:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        for name in NAMES:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in MOMENTS:
            batch_op.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("by_wakes", sa.Boolean(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("wake", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("attempt_id", existing_type=sa.String(), nullable=True)
        batch_op.add_column(sa.Column("runner", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("begun", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_foreign_key("outbox_runner", "runner", ["runner"], ["name"])
        batch_op.create_unique_constraint("outbox_power_once", ["kind", "runner", "begun"])
    op.create_table(
        "wake",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("slept", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stages", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("failed_stage", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("waking", sa.Integer(), nullable=False),
        sa.Column("packets", sa.Integer(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("probe", sa.Boolean(), nullable=False),
        sa.Column("gpu", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["runner"], ["runner.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("runner", "started_at", name="wake_once"),
    )
    with op.batch_alter_table("wake", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_wake_runner"), ["runner"], unique=False)


def downgrade() -> None:
    op.drop_table("wake")
    op.execute("DELETE FROM outbox WHERE attempt_id IS NULL")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_constraint("outbox_power_once", type_="unique")
        batch_op.drop_constraint("outbox_runner", type_="foreignkey")
        batch_op.drop_column("begun")
        batch_op.drop_column("runner")
        batch_op.alter_column("attempt_id", existing_type=sa.String(), nullable=False)
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for name in ("wake", "by_wakes", *MOMENTS, *NAMES, *TEXTS):
            batch_op.drop_column(name)
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.drop_column("submitter")
