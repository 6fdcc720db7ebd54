"""Alembic's environment: it works on the connection it is handed."""

from alembic import context

from batchwire.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
