"""The trace context that a batch takes over from its request."""

import pytest

from batchwire.domain.batch import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("parent", [PARENT, f"01-{TRACE}-{SPAN}-01-more"])
def test_a_valid_trace_context_is_taken_over(parent: str) -> None:
    assert Trace.read(parent, "a=1") == Trace(traceparent=parent, tracestate="a=1")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",  # not in version 00
        f"01-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}\n",
    ],
)
def test_an_invalid_one_is_ignored_with_its_state(parent: str) -> None:
    assert Trace.read(parent, "a=1") == Trace()


def test_a_state_too_long_to_pass_on_is_left_out() -> None:
    assert Trace.read(PARENT, "a" * 512).tracestate
    assert Trace.read(PARENT, "a" * 513) == Trace(traceparent=PARENT)
