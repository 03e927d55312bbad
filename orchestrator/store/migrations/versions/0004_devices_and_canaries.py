"""what was said of single devices, attempts that are for one, canaries that are due or pinned to a machine"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

PINS = ("pinned_runner", "pinned_gpu")


def upgrade() -> None:
    with op.batch_alter_table("runner", schema=None) as batch_op:
        batch_op.add_column(sa.Column("devices", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("canary_why", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("canaried_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("gpu", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("episode", schema=None) as batch_op:
        for name in PINS:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("episode", schema=None) as batch_op:
        for name in reversed(PINS):
            batch_op.drop_column(name)
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_column("gpu")
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for name in ("canaried_at", "canary_why", "devices"):
            batch_op.drop_column(name)
