"""What the three messages of others do, through the whole consumer."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.events.world import World

from batchwire.adapters.sql import log
from batchwire.domain.batch import BatchSpec, ListFormat, OnUncertain, Trace
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.domain.events import Event, EventType
from batchwire.domain.lifecycle import Status
from batchwire.domain.observed import ObservedState, fold
from batchwire.domain.operations import Command
from batchwire.domain.record import Record
from batchwire.engine.control import Control, Selection
from batchwire.errors import BatchConflict, UnknownBatch
from batchwire.messages.dead_letter import first_at_ms, to_redrive
from batchwire.testing.builders import until
from batchwire.testing.events import (
    ScriptedSubscription,
    operation,
    record,
    request,
    update,
)

REQUEST, STATUS, OPERATION = "batch_request", "batch_status_update", "batch_operation"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


async def consumed(world: World, *records: Record) -> dict[str, int]:
    """Consume these until each is finished once; returns the outcomes."""
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    async with world.running(consumer):
        topic.give(*records)
        end = {topic.partitions[0]: len(records)}
        await until(lambda: topic.positions == end)
    return dict(consumer.outcomes)


async def replay(world: World, batch_id: str = "b1") -> list[Event]:
    rows = await world.database.read(log.read, batch_id, 0, 1000)
    return [log.event_of(row) for row in rows]


async def test_a_request_becomes_a_managed_batch_with_all_that_it_says(
    world: World,
) -> None:
    fields = request(
        request_id="r1",
        message_type="marketing",
        provider_type="keyed",
        recipients=["+447810000001", {"to": "+447810000002", "params": {"n": "Bo"}}],
        template="Hi {{n}} {{code}}",
        params={"n": "you", "code": 12},
        schedule_time="2030-01-02T12:00:00+01:00",
        not_after="2030-01-03T12:00:00.123456789Z",
        priority=9,
        max_retries=0,
        timeout=60,
    )
    came = record(REQUEST, fields, traceparent=PARENT, tracestate="a=1")
    assert await consumed(world, came) == {"ok": 1}
    batch = await world.store.batch("b1")
    spec = batch.spec
    assert batch.state.status is Status.SCHEDULED
    assert (spec.list.format, spec.list.records) == (ListFormat.JSONL, 2)
    told = {
        "batch_id": "b1",
        "request_id": "r1",
        "template": "Hi {{n}} {{code}}",
        "provider": "keyed",
        "params": {"n": "you", "code": "12"},
        "user_id": "user-1",
        "message_type": "marketing",
        "default_region": "GB",
        "schedule_time": datetime(2030, 1, 2, 11, tzinfo=UTC),
        "not_after": datetime(2030, 1, 3, 12, 0, 0, 123456, tzinfo=UTC),
        "priority": 9,
        "max_retries": 0,
        "timeout_s": 60,
        "on_uncertain": OnUncertain.RESEND,
        "chunk_size": 7,
        "created_at": NOON,
        "list": spec.list,
        "rate_parts_per_s": 0.0,
        "smart_encoding": False,
        "trace": Trace(traceparent=PARENT, tracestate="a=1"),
    }
    assert told == {name: getattr(spec, name) for name in BatchSpec.__struct_fields__}


async def test_what_a_request_leaves_out_is_the_default(world: World) -> None:
    await consumed(world, record(REQUEST, request()))
    spec = (await world.store.batch("b1")).spec
    assert (spec.provider, spec.on_uncertain) == ("scripted", OnUncertain.HOLD)
    assert (spec.priority, spec.max_retries, spec.timeout_s) == (5, 3, 300)


async def test_one_request_ten_times_is_one_batch(world: World) -> None:
    outcomes = await consumed(world, *[record(REQUEST, request())] * 10)
    assert outcomes == {"ok": 1, "duplicate": 9}
    traced = {"traceparent": PARENT}  # whoever asks again does so in another trace
    again = [
        record(REQUEST, request(), ce_id=f"resent-{n}", **traced) for n in range(10)
    ]
    assert await consumed(world, *again) == {"ok": 10}  # other events, one request
    assert len(await world.store.batches()) == 1
    assert [one.type for one in await replay(world)] == [EventType.REQUEST]


async def test_an_operation_has_the_effect_that_it_has_on_the_api(
    world: World,
) -> None:
    pause = record(OPERATION, operation("pause", phase="preparation"))
    outcomes = await consumed(world, record(REQUEST, request()), pause, pause)
    assert outcomes == {"ok": 2, "duplicate": 1}
    batch = await world.store.batch("b1")
    assert batch.state.status is Status.PREPARATION_PAUSED
    operated = [one for one in await replay(world) if one.type is EventType.OPERATION]
    assert [one.data["operator_id"] for one in operated] == ["operator-1"]
    assert [one.data["reason"] for one in operated] == ["a test"]


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_request_that_comes_again_needs_its_list_no_more(
    world: World, tmp_path: Path, *, is_gone: bool
) -> None:
    """It came before a crash, say; its list was cleared away, or has grown since."""
    path = tmp_path / "list.txt"
    path.write_text("+447810000001\n")
    world.lists_below = [tmp_path.as_uri()]
    fields = request(request_id="r1", recipients_ref=path.as_uri(), recipients=[])
    assert await consumed(world, record(REQUEST, fields, ce_id="1")) == {"ok": 1}
    if is_gone:
        path.unlink()
    else:
        path.write_text("+447810000001\n+447810000002\n")
    assert await consumed(world, record(REQUEST, fields, ce_id="2")) == {"ok": 1}
    assert await world.letters() == []
    assert (await world.store.batch("b1")).spec.list.records == 1
    other = {**fields, "priority": 9}
    assert await consumed(world, record(REQUEST, other, ce_id="3")) == {"dead": 1}


REFUSED: list[tuple[str, Record, str]] = [
    ("email", record(REQUEST, request(batch_type="email")), "unsupported-type"),
    ("push", record(REQUEST, request(batch_type="push")), "unsupported-type"),
    ("provider", record(REQUEST, request(provider_type="nobody")), "malformed"),
    ("template", record(REQUEST, request(template="Hi {{n")), "malformed"),
    ("param", record(REQUEST, request(params={"n": [1]})), "malformed"),
    ("list", record(REQUEST, request(recipients_ref="file:///x")), "malformed"),
    ("schema", record(REQUEST, {"batch_id": "b1"}), "malformed"),
    ("json", Record(key=b"b1", value=b"{"), "malformed"),
    ("empty", Record(key=b"b1", value=b""), "malformed"),
    ("tombstone", Record(key=b"b1", value=None), "malformed"),
    ("bytes", Record(key=b"\xff\0", value=b"\xff\0"), "malformed"),
    ("two megabytes", Record(key=b"b1", value=b"x" * 2_000_000), "malformed"),
    ("type", record("batch_greeting", request()), "unsupported-type"),
    ("major", record("", request(), ce_type="io.b.batch_request.v2"), "unsupported-type"),
    (
        "major beside our header",
        record(REQUEST, request(), ce_type="io.b.batch_request.v2"),
        "unsupported-type",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "disposition"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
async def test_what_cannot_be_handled_is_a_dead_letter_and_the_next_go_on(
    world: World, bad: Record, disposition: str
) -> None:
    outcomes = await consumed(world, bad, record(REQUEST, request("next")))
    assert outcomes == {"dead": 1, "ok": 1}
    (letter,) = await world.letters()
    assert letter.disposition == disposition
    assert (letter.record.key, letter.record.value) == (bad.key, bad.value)
    assert letter.record.headers == bad.headers
    with pytest.raises(UnknownBatch):
        await world.store.batch("b1")
    await world.outbox.lease("r")
    (copy,) = await world.outbox.pending("r", 10)
    assert copy.outgoing.topic == "sms-batch-events.dlq"
    told = dict(copy.outgoing.record.headers)
    assert told["x-dlq-disposition"] == disposition.encode()
    assert told["__dlq.errors.offset"] == b"0"


async def test_fields_that_we_do_not_know_are_ignored(world: World) -> None:
    new = record(REQUEST, request(colour="red", nested={"a": [1]}), x_new="1")
    assert await consumed(world, new) == {"ok": 1}


async def test_a_dead_letter_that_comes_again_is_a_duplicate(world: World) -> None:
    bad = record(REQUEST, request(batch_type="email"))
    assert await consumed(world, bad, bad) == {"dead": 1, "duplicate": 1}
    assert len(await world.letters()) == 1


async def test_an_illegal_operation_is_a_dead_letter_and_in_the_log(
    world: World,
) -> None:
    resume = record(OPERATION, operation("retry"))
    outcomes = await consumed(world, record(REQUEST, request()), resume)
    assert outcomes == {"ok": 1, "dead": 1}
    (letter,) = await world.letters()
    assert letter.disposition == "illegal-transition"
    assert EventType.REFUSAL in [one.type for one in await replay(world)]


async def test_another_request_for_a_taken_batch_is_a_conflict(world: World) -> None:
    second = record(REQUEST, request(request_id="other"))
    outcomes = await consumed(world, record(REQUEST, request()), second)
    assert outcomes == {"ok": 1, "dead": 1}
    assert [one.disposition for one in await world.letters()] == ["conflict"]


async def test_nobody_else_says_where_a_batch_of_ours_is(world: World) -> None:
    said = [record(STATUS, update(status="completed"), ce_source="/other")]
    said += [record(REQUEST, request(), execution="observed", ce_id="announced")]
    outcomes = await consumed(world, record(REQUEST, request()), *said)
    assert outcomes == {"ok": 1, "dead": 2}
    assert {one.disposition for one in await world.letters()} == {"conflict"}
    assert (await world.store.batch("b1")).state.status is Status.PREPARATION_READY


async def test_a_batch_that_another_system_executes_is_never_made_ours(
    world: World,
) -> None:
    outcomes = await consumed(
        world, record(STATUS, update()), record(REQUEST, request())
    )
    assert outcomes == {"ok": 1, "dead": 1}
    assert [one.disposition for one in await world.letters()] == ["conflict"]
    with pytest.raises(UnknownBatch):
        await world.store.batch("b1")


async def test_a_request_that_comes_late_makes_a_batch_all_the_same(
    world: World,
) -> None:
    """It expires, which its sender is told."""
    late = request(not_after="2001-01-01T00:00:00Z")
    assert await consumed(world, record(REQUEST, late)) == {"ok": 1}
    batch = await world.store.batch("b1")
    assert batch.spec.not_after == datetime(2001, 1, 1, tzinfo=UTC)


async def test_an_api_request_for_an_observed_batch_is_a_conflict(world: World) -> None:
    await consumed(world, record(STATUS, update()))
    spec = BatchSpec(
        batch_id="b1",
        request_id="r",
        list=(await _list_of(world)),
        template="Hi",
        provider="scripted",
        created_at=NOON,
    )
    with pytest.raises(BatchConflict):
        await world.store.create(spec, b"digest", ())


async def _list_of(world: World) -> Any:  # noqa: ANN401 - ListSpec
    await consumed(world, record(REQUEST, request("other")))
    return (await world.store.batch("other")).spec.list


async def test_an_announced_batch_is_observed_and_never_sent(world: World) -> None:
    announced = record(
        REQUEST,
        request(batch_type="email", recipients=["a", "b"]),
        execution="observed",
        ce_source="/other",
    )
    assert await consumed(world, announced) == {"ok": 1}
    state = await world.observed()
    assert state is not None
    assert state.is_announced
    assert (state.user_id, state.recipients, state.source) == ("user-1", 2, "/other")
    with pytest.raises(UnknownBatch):
        await world.store.batch("b1")


async def test_a_status_may_come_before_its_announcement(world: World) -> None:
    announced = record(REQUEST, request(), execution="observed")
    assert await consumed(world, record(STATUS, update()), announced) == {"ok": 2}
    state = await world.observed()
    assert state is not None
    assert (state.status, state.user_id) == ("delivery_running", "user-1")


async def test_an_operation_on_an_observed_batch_is_written_down(world: World) -> None:
    outcomes = await consumed(
        world, record(STATUS, update()), record(OPERATION, operation("pause"))
    )
    assert outcomes == {"ok": 2}
    last = (await replay(world))[-1]
    assert (last.type, last.data["operator_id"]) == (EventType.OPERATION, "operator-1")


@pytest.mark.parametrize("execution", ["", "observed"])
async def test_an_operation_waits_for_its_batch(world: World, execution: str) -> None:
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    async with world.running(consumer):
        topic.give(record(OPERATION, operation("pause")))
        await until(lambda: topic.positions == {topic.partitions[0]: 1})
        await world.passing(lambda: world.clock.monotonic() >= 30)
        topic.give(record(REQUEST, request(), execution=execution))
        await world.passing(lambda: consumer.outcomes["ok"] == 2)
    assert world.clock.monotonic() < 60
    assert await world.letters() == []
    if not execution:
        batch = await world.store.batch("b1")
        assert batch.state.status is Status.PREPARATION_PAUSED


async def test_an_operation_whose_batch_never_comes_is_a_dead_letter_after_the_grace(
    world: World,
) -> None:
    topic = ScriptedSubscription()
    consumer = world.consumer(topic)
    async with world.running(consumer):
        topic.give(record(OPERATION, operation("pause")))
        waited_s = await world.passing(lambda: consumer.outcomes["dead"] == 1)
    assert 60 <= waited_s < 90
    assert [one.disposition for one in await world.letters()] == ["unknown-batch"]


def reports(seed: int, *, is_numbered: bool) -> list[Record]:
    """Make what a sender said of three batches, each with its version."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    made = []
    for number in range(1, 41):
        at = NOON + timedelta(seconds=chance.randint(0, 9) if is_numbered else number)
        body = update(
            f"b{number % 3}",
            status=chance.choice(["delivery_running", "completed", "strange"]),
            processed=chance.randint(0, 99),
            updated_at=at.isoformat(),
        )
        told = {"ce_sequence": f"{number:019}"} if is_numbered else {}
        made.append(record(STATUS, body, ce_id=f"e{number}", ce_source="/o", **told))
    made += [
        record(REQUEST, request(f"b{n}"), execution="observed", ce_source="/o")
        for n in range(3)
    ]
    return made


@pytest.mark.parametrize("is_numbered", [True, False])
@pytest.mark.parametrize("seed", range(4))
async def test_repeated_and_reordered_events_give_the_same_state(
    world: World, seed: int, *, is_numbered: bool
) -> None:
    said = reports(seed, is_numbered=is_numbered)
    await consumed(world, *said)
    expected = [await state_of(world, f"b{n}") for n in range(3)]

    await world.database.close()
    world.database = type(world.database)(world.database._path + ".again")  # noqa: SLF001
    await world.database.open()
    world.__post_init__()
    thrice = said * 3
    random.Random(seed).shuffle(thrice)  # noqa: S311 - nothing secret
    outcomes = await consumed(world, *thrice)
    assert outcomes["duplicate"] == 2 * len(said)
    assert [await state_of(world, f"b{n}") for n in range(3)] == expected
    for n in range(3):
        events = await replay(world, f"b{n}")
        assert [one.sequence for one in events] == list(range(1, len(events) + 1))
        stored = await world.observed(f"b{n}")
        assert stored is not None
        assert fold(events).encode() == stored.encode()


async def state_of(world: World, batch_id: str) -> dict[str, Any]:
    """Give what is known, but for how we came to know it."""
    state = await world.observed(batch_id)
    assert isinstance(state, ObservedState)
    return {
        name: getattr(state, name)
        for name in ObservedState.__struct_fields__
        if name not in {"sequence", "updated_at"}
    }


async def test_a_report_without_a_time_has_that_of_its_record(world: World) -> None:
    body = update()
    del body["updated_at"]
    await consumed(world, record(STATUS, body))
    state = await world.observed()
    assert state is not None
    assert state.at == datetime.fromtimestamp(0.001, UTC)


async def test_a_retry_takes_up_whom_its_metadata_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    async def operate(_: Control, __: Command, chosen: Selection) -> None:
        told = (chosen.outcome.name, chosen.error_class, chosen.error_code)
        asked.append(told)

    await consumed(world, record(REQUEST, request()))
    monkeypatch.setattr(Control, "operate", operate)
    named = {"outcome": "uncertain", "error_class": "uncertain", "error_code": "504"}
    outcomes = await consumed(
        world,
        record(OPERATION, operation("retry"), ce_id="1"),
        record(OPERATION, operation("retry", metadata=named), ce_id="2"),
        record(OPERATION, operation("retry", metadata={"outcome": "all"}), ce_id="3"),
    )
    assert asked == [("FAILED", "", ""), ("UNCERTAIN", "uncertain", "504")]
    assert outcomes == {"ok": 2, "dead": 1}
    (letter,) = await world.letters()
    assert "failed, expired, uncertain can be retried" in letter.message


@pytest.mark.parametrize("progress", [0, 1])
async def test_a_progress_without_a_fraction_is_no_contradiction(
    world: World, progress: int
) -> None:
    await consumed(
        world,
        record(STATUS, update(progress=progress), ce_id="1"),
        record(OPERATION, operation("pause"), ce_id="2"),
    )
    assert await world.store.verify("b1") == []


async def test_a_structured_event_says_that_its_batch_is_observed(
    world: World,
) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/x",
        "type": "io.x.batch_request.v1",
        "execution": "observed",
        "data": request(),
    }
    kind = (("content-type", b"application/cloudevents+json"),)
    one = Record(key=b"b1", value=msgspec.json.encode(event), headers=kind)
    assert await consumed(world, one) == {"ok": 1}
    assert await world.observed() is not None


async def test_two_systems_may_number_their_events_alike(world: World) -> None:
    outcomes = await consumed(
        world,
        record(STATUS, update("a1"), ce_id="1", ce_source="/billing"),
        record(STATUS, update("b1"), ce_id="1", ce_source="/crm"),
        record(STATUS, update("b1"), ce_id="1", ce_source="/crm"),
    )
    assert outcomes == {"ok": 2, "duplicate": 1}
    assert await world.observed("b1") is not None


async def test_a_redriven_update_without_a_time_is_as_old_as_it_was(
    world: World,
) -> None:
    first = replace(record(STATUS, update(updated_at=None), ce_id="1"), at_ms=1000)
    done = record(STATUS, update(status="completed", updated_at=None), ce_id="2")
    again = replace(to_redrive(letter_of(first)), at_ms=3000)
    await consumed(world, replace(done, at_ms=2000), again)
    state = await world.observed()
    assert state is not None
    assert state.status == "completed"
    assert first_at_ms(to_redrive(letter_of(again))) == 1000


def letter_of(one: Record) -> DeadLetter:
    """Make a dead letter of a record."""
    return DeadLetter(
        event_id="1",
        batch_id="b1",
        disposition=Disposition.MANUAL,
        message="no handler",
        record=one,
        topic="t",
        failed_at=NOON,
    )
