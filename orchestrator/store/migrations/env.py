"""Alembic's entry: it runs on the connection that `store.engine.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

from orchestrator.store import account_tables, notice_tables, tables

TABLES = (tables, account_tables, notice_tables)
target_metadata = SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=target_metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
