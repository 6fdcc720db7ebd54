"""
What tests of this service and of its adapters need; it ships, for yours.

``contracts`` are the suites that every adapter of a port passes, ``clock`` is a clock
that tests move, ``fault_server`` an HTTP server that misbehaves and counts.
"""
