"""
A host with batches of its own, to be killed.

``python host.py BROKERS TOPIC SPOOL FIRST COUNT``: reports the numbers from FIRST on,
as counts of batch ``b1``, and prints each after the call has returned. COUNT 0 goes on
for ever. At the end it waits for its standard input to close.
"""

import itertools
import os
import sys
import time

from batchwire.integration import connect


def main(brokers: str, topic: str, spool: str, first: str, count: str) -> None:
    """Report, print, wait."""
    events = connect(brokers=brokers, source="/host", topic=topic, spool=spool)
    start, many = int(first), int(count)
    numbers = range(start, start + many) if many else itertools.count(start)
    for number in numbers:
        events.on_sms_batch_status_changed("b1", "delivery_running", processed=number)
        os.write(1, b"%d\n" % number)
        if not many:
            time.sleep(0.0005)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
