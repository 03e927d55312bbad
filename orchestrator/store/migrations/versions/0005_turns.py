"""when an episode of each submitter last began is found without reading all that have ended"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("episode_served", "episode", ["submitter", "started_at"])


def downgrade() -> None:
    op.drop_index("episode_served", "episode")
