"""A batch as commands show it: as a JSON object, and as the closed ledger."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from batchwire.bootstrap import App
from batchwire.cli import output
from batchwire.domain import counts, operations
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Phase, Status

EXECUTION = "managed"


def view(batch: Batch) -> dict[str, Any]:
    """Show a batch as an object; counts are live."""
    spec, state = batch.spec, batch.state
    return {
        "batch_id": spec.batch_id,
        "execution": EXECUTION,
        "request_id": spec.request_id,
        "status": state.status,
        "phase": state.phase,
        "reason": state.reason,
        "limited_by": batch.limited_by,
        "provider": spec.provider,
        "rate_parts_per_s": spec.rate_parts_per_s,
        "source": spec.list.source,
        "template": spec.template,
        "params": spec.params,
        "recipients": sum(batch.counts),
        "counts": counts.named(batch.counts),
        "processed": counts.processed(batch.counts),
        "success": counts.success(batch.counts),
        "failed": counts.failed(batch.counts),
        "parts": batch.parts,
        "progress": round(progress(batch), 4),
        "escaped": state.escaped,
        "is_sealed": state.is_sealed,
        "paused_by": state.paused_by,
        "operations": operations.fits(batch, datetime.now(UTC)),
        "priority": spec.priority,
        "on_uncertain": spec.on_uncertain,
        "max_retries": spec.max_retries,
        "timeout_s": spec.timeout_s,
        "schedule_time": spec.schedule_time,
        "not_after": spec.not_after,
        "created_at": spec.created_at,
        "started_at": state.started_at,
        "updated_at": state.updated_at,
        "ended_at": state.ended_at,
        "purged_at": purged_at(batch),
        "resume_at": batch.resume_at,
        "sequence": state.sequence,
    }


def warn_of_single_braces(batch: Batch) -> None:
    """Say where a parameter is written as other programs have it."""
    spec = batch.spec
    for name in (*spec.list.columns, *spec.params):
        if re.search(rf"(?<!{{){{\s*{re.escape(name)}\s*}}(?!}})", spec.template):
            output.note(
                f"note: {{{name}}} is sent as it stands; the parameter is {{{{{name}}}}}"
            )


async def warn_of_no_engine(app: App, found: Iterable[object]) -> None:
    """Say on standard error where something would go on and no engine works."""
    ours = [one for one in found if isinstance(one, Batch)]
    if any(map(_goes_on, ours)) and not await app.store.has_engine():
        output.no_engine()


async def warn_of_unanswered(app: App, found: Iterable[object]) -> None:
    """Say on standard error whom an engine that was killed may have submitted to."""
    if await app.store.has_engine():
        return
    for batch_id in (one.spec.batch_id for one in found if isinstance(one, Batch)):
        leased = app.store.chunks(batch_id, is_leased=True)
        unknown = sum(
            [len(c.state.unanswered(c.fence, c.intent)) async for c in leased]
        )
        if unknown:
            output.note(
                f"{batch_id}: an engine ended without the answers of up to {unknown:,}"
                " recipients, who may have got the message; `batchwire serve"
                " --until-idle` settles what becomes of them"
            )


def _goes_on(batch: Batch) -> bool:
    status = batch.state.status
    is_held = status.is_paused and batch.resume_at is None
    return not (status.has_ended or is_held)


def purged_at(batch: Batch) -> datetime | None:
    """Since when nobody knows any more who the recipients were."""
    at = batch.state.purged_at
    return at if isinstance(at, datetime) else None


def progress(batch: Batch) -> float:
    """Progress of the current phase, 0 … 1, by the live counts."""
    total = sum(batch.counts)
    if batch.state.phase is Phase.PREPARATION and not batch.state.is_sealed:
        return min(1.0, total / max(1, batch.spec.list.records))
    return counts.processed(batch.counts) / total if total else 1.0


def recipients(batch: Batch) -> int:
    """Count the recipients, those who are not prepared yet too."""
    prepared = sum(batch.counts)
    return prepared if batch.state.is_sealed else max(prepared, batch.spec.list.records)


def is_good(batch: Batch) -> bool:
    """Whether a batch that ended did so by completing, and somebody was accepted."""
    return batch.state.status is Status.COMPLETED and counts.success(batch.counts) > 0


def ledger(batch: Batch) -> None:
    """Print what became of every recipient; the lines add up to the last."""
    total = recipients(batch)
    rows = [
        [name, f"{count:,}".rjust(12), f"{count / total:7.2%}" if total else ""]
        for name, count in counts.named(batch.counts).items()
        if count or name in {"open", "accepted", "failed"}
    ]
    if unprepared := total - sum(batch.counts):
        share = f"{unprepared / total:7.2%}"
        rows.append(["not prepared", f"{unprepared:,}".rjust(12), share])
    rows.append(["= recipients", f"{total:,}".rjust(12), ""])
    output.table(["outcome", "count".rjust(12), "share"], rows)


def headline(batch: Batch) -> str:
    """Say in one line where a batch stands."""
    state = batch.state
    why = f" ({state.reason})" if state.reason else ""
    return f"{batch.spec.batch_id}: {state.status}{why}"
