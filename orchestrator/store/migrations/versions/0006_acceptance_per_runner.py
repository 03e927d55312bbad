"""on which runners a campaign was accepted, and what drivers a runner had when an attempt was launched"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "acceptance",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("runner", sa.String(), nullable=False),
        sa.Column("drivers", sa.String(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"]),
        sa.ForeignKeyConstraint(["runner"], ["runner.name"]),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.PrimaryKeyConstraint("campaign_id", "runner", "drivers"),
    )
    op.create_index("ix_acceptance_runner", "acceptance", ["runner"])
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("drivers", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_column("drivers")
    op.drop_index("ix_acceptance_runner", "acceptance")
    op.drop_table("acceptance")
