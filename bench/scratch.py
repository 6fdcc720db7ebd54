"""Scratch files: beside the results, because /tmp may be memory and sync nothing."""

from pathlib import Path


def fresh(database: Path) -> Path:
    """Remove what an earlier run left of a database."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    return database
