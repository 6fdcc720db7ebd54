"""``/behaviour`` and ``/stats``: the hand at the back of the sandbox server."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from batchwire.adapters.sandbox import Behaviour, SandboxServer
from batchwire.errors import ProviderSettingsRefused

Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]

ANN = {"to": "+4917100000001", "text": "Hi Ann"}
BOB = {"to": "+4917100000002", "text": "Hi Bob"}


async def test_a_put_changes_some_settings_and_keeps_the_others(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(permanent_suffix="02")
    status, _, changed = await ask(server, "PUT /behaviour", {"down": True})
    assert status == 200
    assert (changed["down"], changed["permanent_suffix"]) == (True, "02")
    assert (await ask(server, "GET /behaviour"))[2] == changed
    assert (await ask(server, "POST /messages", ANN))[0] == 503
    await ask(server, "PUT /behaviour", {"down": False})
    assert (await ask(server, "POST /messages", ANN))[0] == 201
    assert (await ask(server, "POST /messages", BOB))[0] == 400


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"latency": 5}, "latency"),
        ({"reset_rate": 1.5}, "reset_rate"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"down": "yes"}, "down"),
        ({"receipts_url": "localhost:1"}, "receipts_url"),
        ({"permanent_rate": 0.6, "transient_rate": 0.6}, "permanent_rate"),
        ({"reset_rate": 0.6, "slow_drip_rate": 0.6}, "slow_drip_rate"),
        ([], "array"),
    ],
)
async def test_a_bad_setting_is_refused_by_name_and_changes_nothing(
    serve: Serve, ask: Ask, settings: object, named: str
) -> None:
    server = await serve()
    status, _, body = await ask(server, "PUT /behaviour", settings)
    assert status == 400
    assert named in body["error"]["message"]
    assert server.behaviour == Behaviour()


def test_a_bad_setting_is_an_error_of_ours_in_process() -> None:
    with pytest.raises(ProviderSettingsRefused, match="unknown field `speed`"):
        Behaviour().changed({"speed": 1})


async def test_stats_count_recipients_on_demand(serve: Serve, ask: Ask) -> None:
    server = await serve()
    for message in (ANN, ANN, BOB):
        await ask(server, "POST /messages", message)
    _, _, stats = await ask(server, "GET /stats")
    assert "recipients" not in stats
    assert (stats["distinct_recipients"], stats["repeated_recipients"]) == (2, 1)
    assert stats["first_accepted_at"] <= stats["last_accepted_at"]
    assert stats["accepted_per_s"] > 0
    _, _, stats = await ask(server, "GET /stats?recipients=1")
    assert stats["recipients"] == {ANN["to"]: 2, BOB["to"]: 1}
    _, _, stats = await ask(server, "GET /stats?to=+4917100000001&to=%2B49&x")
    assert stats["recipients"] == {ANN["to"]: 2, "+49": 0}


async def test_recipients_are_not_counted_one_by_one_where_that_is_off(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(count_recipients=False)
    await ask(server, "POST /messages", ANN)
    _, _, stats = await ask(server, "GET /stats?recipients=1")
    assert (stats["accepted"], stats["recipients"]) == (1, {})


async def test_a_reset_forgets_counts_keys_and_failed_attempts(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(transient_suffix="02")
    key = {"Idempotency-Key": "k"}
    assert (await ask(server, "POST /messages", BOB))[0] == 503
    await ask(server, "POST /messages", ANN, key)
    status, _, stats = await ask(server, "DELETE /stats")
    assert (status, stats["requests"], stats["distinct_recipients"]) == (200, 0, 0)
    await ask(server, "POST /messages", ANN, key)
    assert (server.stats.accepted, server.stats.duplicates) == (1, 0)
    assert (await ask(server, "POST /messages", BOB))[0] == 503


async def test_stats_before_the_first_acceptance_have_no_moments(
    serve: Serve, ask: Ask
) -> None:
    _, _, stats = await ask(await serve(), "GET /stats")
    assert stats["first_accepted_at"] is stats["last_accepted_at"] is None
    assert stats["accepted_per_s"] == stats["accepted"] == 0


@pytest.mark.parametrize("body", [b"{}", b'{"duration_s":0}', b"x"])
async def test_an_outage_without_a_duration_is_refused(
    serve: Serve, ask: Ask, body: bytes
) -> None:
    server = await serve()
    assert (await ask(server, "POST /outage", body))[0] == 400
    assert (await ask(server, "GET /stats"))[0] == 200
