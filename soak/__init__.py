"""The soak: several engines on one PostgreSQL while everything is killed at random."""
