"""Alembic's scripts: one file a version."""
