"""All that is kept in SQLite or PostgreSQL, by SQLAlchemy Core and Alembic."""
