"""what runners were over time and drew, the ledger of costs, and the roll-ups that metrics are made from"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

COUNTED = {"episode": "ended_at", "attempt": "created_at", "wake": "ended_at", "outbox": "done_at"}


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(), nullable=False) for name in names]


def upgrade() -> None:
    _columns()
    _timeline()
    _ledger()
    _roll_ups()


def _columns() -> None:
    for table, column in COUNTED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("counted", sa.Boolean(), nullable=False, server_default="0"))
        where = sa.text("NOT counted")
        op.create_index(f"{table}_uncounted", table, [column], sqlite_where=where, postgresql_where=where)
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("costed", sa.Boolean(), nullable=False, server_default="0"))
    where = sa.text("NOT costed")
    op.create_index("attempt_uncosted", "attempt", ["runner"], sqlite_where=where, postgresql_where=where)
    with op.batch_alter_table("runner", schema=None) as batch_op:
        batch_op.add_column(sa.Column("meter", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column("readings", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(_moment("readings_at", nullable=True))
        batch_op.add_column(_moment("settled_until", nullable=True))


def _timeline() -> None:
    op.create_table(
        "span",
        sa.Column("id", sa.Integer(), nullable=False),
        *_text("runner", "state", "draw"),
        _moment("started_at"),
        _moment("ended_at", nullable=True),
        sa.ForeignKeyConstraint(["runner"], ["runner.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("runner", "started_at", name="span_once"),
    )
    op.create_index("ix_span_runner", "span", ["runner"])
    where = sa.text("ended_at IS NULL")
    op.create_index("span_one_open", "span", ["runner"], unique=True, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "watch",
        sa.Column("id", sa.Integer(), nullable=False),
        _moment("at"),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "energy",
        sa.Column("id", sa.Integer(), nullable=False),
        *_text("runner"),
        _moment("started_at"),
        _moment("ended_at"),
        *_number("joules"),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["runner"], ["runner.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("runner", "started_at", name="energy_once"),
    )
    op.create_index("ix_energy_runner", "energy", ["runner"])


def _ledger() -> None:
    what = ("day", "runner", "episode_id", "attempt_id", "phase", "kind", "label", "reason")
    op.create_table(
        "cost",
        sa.Column("id", sa.Integer(), nullable=False),
        *_text(*what),
        *_number("usd", "joules", "seconds"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(*what, name="cost_once"),
    )
    for column in ("day", "episode_id", "attempt_id"):
        op.create_index(f"ix_cost_{column}", "cost", [column])


def _roll_ups() -> None:
    op.create_table(
        "total",
        *_text("metric", "labels"),
        *_number("value"),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "labels"),
    )
    op.create_table(
        "histogram",
        *_text("metric", "labels"),
        sa.Column("counts", sa.JSON(none_as_null=True), nullable=False),
        *_number("total"),
        sa.Column("exemplars", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "labels"),
    )
    op.create_table(
        "gauge",
        *_text("metric", "labels"),
        *_number("value"),
        _moment("at"),
        sa.PrimaryKeyConstraint("metric", "labels"),
    )
    for table in ("total", "histogram"):
        op.create_index(f"ix_{table}_changed", table, ["changed"])


def downgrade() -> None:
    for table in ("gauge", "histogram", "total", "cost", "energy", "watch", "span"):
        op.drop_table(table)
    with op.batch_alter_table("runner", schema=None) as batch_op:
        for column in ("settled_until", "readings_at", "readings", "meter"):
            batch_op.drop_column(column)
    op.drop_index("attempt_uncosted", "attempt")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_column("costed")
    for table in COUNTED:
        op.drop_index(f"{table}_uncounted", table)
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("counted")
