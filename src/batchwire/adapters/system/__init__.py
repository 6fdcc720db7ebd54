"""The machine's own clocks behind the ports."""
