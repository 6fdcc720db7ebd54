"""
A real Apache Kafka for tests, benches and demos, started from nothing.

::

    with running_broker() as broker:
        Producer({"bootstrap.servers": broker.address})

It needs Java 17 and, once, Maven, which fetches the broker into a cache (``jars``);
``KafkaUnavailable`` says what is missing. A broker ends with the processes that use
it, however those end (``keeper``).
"""

from batchwire.testing.kafka.broker import Broker, BrokerDidNotStart, running_broker
from batchwire.testing.kafka.jars import KafkaUnavailable

__all__ = ["Broker", "BrokerDidNotStart", "KafkaUnavailable", "running_broker"]
