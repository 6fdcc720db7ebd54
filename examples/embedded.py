"""
Batchwire inside your own program: a list in, the closed ledger out.

Run it as ``python examples/embedded.py examples/people.csv``. The database is
``batchwire.db`` in the working directory; the provider is the sandbox unless
``batchwire.yaml`` there names another.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from batchwire.bootstrap import opened
from batchwire.config import load
from batchwire.domain.counts import named
from batchwire.engine.intake import Submission


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """Give the file piece by piece: a long list never sits in memory."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, 65_536):
            yield piece


async def main(path: Path) -> None:
    """Make a batch of the list, deliver it, print what became of everybody."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)  # the logs are yours to direct
    settings = load(overrides={"default_region": "DE"})
    async with opened(settings) as app:
        asked = Submission(
            batch_id="embedded",
            request_id=f"embedded {path.name}",  # the same again makes no second batch
            template="Hello {{name}}, your code is {{code}}.",
            provider=settings.default_provider,
            default_region="DE",
            source=path.name,
        )
        batch, is_new = await app.intake.take(asked, pieces(path))
        print("new" if is_new else "known")
        await app.engine.run(asyncio.Event(), until_idle=True)
        batch = await app.store.batch(batch.spec.batch_id)
        print(batch.state.status)
        for outcome, count in named(batch.counts).items():
            if count:
                print(f"{outcome}: {count}")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the list
        sys.exit("give the list: python examples/embedded.py list.csv")
    asyncio.run(main(Path(sys.argv[1])))
