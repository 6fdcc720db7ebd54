"""``batchwire send`` as it is, but it says when its provider is first called."""

import sys
import time
from collections.abc import Sequence

from batchwire.__main__ import main
from batchwire.adapters.sandbox import SandboxProvider
from batchwire.domain.outcome import Answer, Message

_submit = SandboxProvider.submit


async def _noting(
    self: SandboxProvider, messages: Sequence[Message]
) -> Sequence[Answer]:
    print(f"first at {time.monotonic()}", file=sys.stderr)  # noqa: T201 - the parent reads it
    return await _submit(self, messages)


SandboxProvider.submit = _noting  # type: ignore[method-assign]
main()
