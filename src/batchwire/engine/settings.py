"""How the engine works; each value with its unit and its default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """
    What the engine is told at its start. The limits are those of ``config``.

    - ``chunk_size``: recipients in one chunk, the unit that is written, leased and sent.
      Applies to batches prepared from now on.
    - ``flush_interval_ms``: longest time that results wait in memory for their commit,
      milliseconds.
    - ``max_running_batches``: batches of a provider in delivery at once, less urgent ones
      not counted; the others wait their turn.
    - ``max_preparing_batches``: batches in preparation at once: the oldest, and the most
      urgent beside it. Where it is 1 they go by age alone.
    - ``max_window``: messages that wait, intended, for one provider; with those in
      flight the most that a crash can leave uncertain. Never less than twice what the
      provider takes at once.
    - ``drain_timeout_s``: longest wait, after the first signal to end, for the answers
      to what is in flight, seconds.
    - ``heartbeat_s``: between two signs of life of an engine, seconds.
    - ``dead_after_s``: without a sign for so long an engine is taken for dead, and others
      take over, seconds. Only where several processes may work (PostgreSQL).
    - ``trust_s``: without a sign for so long an engine submits nothing itself, seconds;
      less than ``dead_after_s``.
    - ``circuit_failures``: failures of a provider in a row that open its circuit.
    - ``circuit_max_delay_s``: longest pause between two trials of a provider whose
      circuit is open, seconds.
    - ``circuit_patience_s``: how long after a circuit opened a trial that fails uses up
      no attempt, seconds.
    """

    chunk_size: int = 1000
    flush_interval_ms: int = 100
    max_running_batches: int = 16
    max_preparing_batches: int = 2
    max_window: int = 32_768
    drain_timeout_s: float = 25.0
    heartbeat_s: float = 10.0
    dead_after_s: float = 30.0
    trust_s: float = 20.0
    circuit_failures: int = 20
    circuit_max_delay_s: float = 60.0
    circuit_patience_s: float = 3600.0
