"""what people are told of, the messages that tell it, and which ends of episodes are still to be told"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

OF_ATTEMPTS = {
    "attempt_live": ("runner", "ended IS NULL"),
    "attempt_left": ("created_at", "ended IS NOT NULL AND acknowledged_at IS NULL"),
    "attempt_left_on": ("runner", "ended IS NOT NULL AND acknowledged_at IS NULL"),
}


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def upgrade() -> None:
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.add_column(sa.Column("noticed", sa.Boolean(), nullable=False, server_default="0"))
    # What ended before there were messages is no news.
    episode = sa.table("episode", sa.column("noticed", sa.Boolean), sa.column("ended_at", sa.DateTime))
    op.execute(sa.update(episode).where(episode.c.ended_at.is_not(None)).values(noticed=sa.true()))
    where = sa.text("NOT noticed")
    op.create_index("episode_unnoticed", "episode", ["ended_at"], sqlite_where=where, postgresql_where=where)
    op.create_index("attempt_made", "attempt", ["created_at"])
    for index, (column, condition) in OF_ATTEMPTS.items():
        where = sa.text(condition)
        op.create_index(index, "attempt", [column], sqlite_where=where, postgresql_where=where)
    _notices()
    _messages()


def _notices() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        *_text("key", "condition", "says"),
        _moment("began_at"),
        _moment("seen_at"),
        _moment("over_at", nullable=True),
        *_text("say"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notice_over_at", "notice", ["over_at"])
    lasts, untold = sa.text("over_at IS NULL"), sa.text("say <> ''")
    op.create_index("notice_one_lasting", "notice", ["key"], unique=True, sqlite_where=lasts, postgresql_where=lasts)
    op.create_index("notice_untold", "notice", ["id"], sqlite_where=untold, postgresql_where=untold)


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("conditions", sa.JSON(none_as_null=True), nullable=False),
        *_text("severity", "title", "body"),
        _moment("made_at"),
        sa.Column("reached", sa.JSON(none_as_null=True), nullable=False),
        _moment("ended_at", nullable=True),
        *_text("result"),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("outbox_id"),
    )
    op.create_index("ix_message_made_at", "message", ["made_at"])
    op.create_table(
        "spending",
        _moment("at"),
        sa.Column("usd", sa.Float(), nullable=False),
        sa.Column("signals", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("at"),
    )


def downgrade() -> None:
    for table in ("spending", "message", "notice"):
        op.drop_table(table)
    for index in OF_ATTEMPTS:
        op.drop_index(index, "attempt")
    op.drop_index("attempt_made", "attempt")
    op.drop_index("episode_unnoticed", "episode")
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.drop_column("noticed")
