"""
One rate for many processes: slots of time, handed out in order (GCRA).

Each part has a slot of 1/rate seconds. Who wants to submit reserves slots a little ahead;
a slot is used from its beginning on for as long as a burst takes, and is void afterwards.
So in any ``t`` seconds no more than ``rate`` x ``t`` parts and one burst go, whoever holds
the slots, whether he lives, and however many there are.

Source: ITU-T I.371, the generic cell rate algorithm: ``tat`` is its theoretical arrival
time. All in seconds.
"""

import math

import msgspec

from batchwire.domain.segments import MAX_PARTS

AHEAD_S = 0.2  # how far ahead of now slots may begin
LEAST_BURST = 2.0  # with one part a slot had to be used at once
BURST_S = 0.1  # of the rate, where no burst is set
_MOST_AHEAD_S = 300.0  # more than that, and a message, is not owed: see ``grant``
_LEAST_RATE = 1e-9  # parts per second; later than its slots no database counts


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """
    Parts per second, and how many may go at once after a silence.

    ``parts_per_s`` 0 is no limit. ``burst`` 0 is what goes in 100 ms.
    """

    parts_per_s: float
    burst: float = 0.0

    @property
    def most_at_once(self) -> float:
        """The burst that counts; at least two parts."""
        return max(LEAST_BURST, self.burst or self.parts_per_s * BURST_S)

    @property
    def life_s(self) -> float:
        """How long after its beginning a slot may be used."""
        return (self.most_at_once - 1) / self.parts_per_s


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """
    The rates that somebody set, by the name of the pacer.

    ``is_shared``: several processes may work here, so that slots must be reserved.
    """

    rates: dict[str, Rate]
    is_shared: bool


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who wants slots of the pacer ``name``: ``least`` in one piece, at best ``most``.

    ``rate`` is what holds where the database keeps no other for this pacer. ``lead_s``:
    how long the answer and its first use take; slots void by then would be of no use.
    """

    name: str
    least: int
    most: int
    rate: Rate
    lead_s: float = 0.0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """
    ``parts`` slots, the first at ``starts_at_s``, by the clock that says ``now_s``.

    None where ``parts`` is 0: ask again when ``wait_s`` has passed. ``rate`` is the one
    that holds now; with 0 parts per second nothing needs to be reserved.
    """

    name: str
    parts: int
    starts_at_s: float
    now_s: float
    rate: Rate
    wait_s: float = 0.0


def of_provider(name: str) -> str:
    """Name the pacer of a provider."""
    return f"provider/{name}"


def of_batch(batch_id: str) -> str:
    """Name the pacer of a batch that has a rate of its own."""
    return f"batch/{batch_id}"


def grant(ask: Ask, rate: Rate, tat_s: float, now_s: float) -> tuple[Grant, float]:
    """
    Hand out the next slots; returns the new ``tat`` too.

    ``tat_s`` is where the slots end that others hold. It may be long past: of what
    nobody used no more than a burst is handed out later. Where it is further ahead than
    the largest message takes, the clock was set back since.
    """
    if not rate.parts_per_s:
        free = Grant(name=ask.name, parts=0, starts_at_s=now_s, now_s=now_s, rate=rate)
        return free, now_s
    part_s = 1 / max(rate.parts_per_s, _LEAST_RATE)
    if tat_s - now_s > _MOST_AHEAD_S + MAX_PARTS * part_s:
        tat_s = now_s
    earliest = now_s + ask.lead_s - rate.life_s
    start = max(tat_s, earliest)
    room_s = max(now_s, earliest) + AHEAD_S - start
    room = min(ask.most, math.floor(room_s * rate.parts_per_s) + 1)
    # A remainder too small for a message would be void before it is of use.
    parts = max(ask.least, room // ask.least * ask.least) if room_s >= 0 else 0
    given = Grant(
        name=ask.name,
        parts=parts,
        starts_at_s=start,
        now_s=now_s,
        rate=rate,
        wait_s=max(0.0, -room_s),
    )
    return given, start + parts * part_s
