"""
A real Apache Kafka for tests, benches and demos, started from nothing.

::

    with running_broker() as broker:
        Producer({"bootstrap.servers": broker.address})

``running_cluster`` is three of them, ``running_secure_broker`` one with TLS and SASL;
``fixtures`` has them all for pytest. It needs Java 17 and, once, Maven, which fetches the broker into a cache (``jars``);
``KafkaUnavailable`` says what is missing. A broker ends with the processes that use
it, however those end (``keeper``).
"""

from batchwire.testing.kafka.broker import Broker, BrokerDidNotStart, running_broker
from batchwire.testing.kafka.cluster import addresses, running_cluster
from batchwire.testing.kafka.programs import KafkaUnavailable
from batchwire.testing.kafka.secure import SecureBroker, running_secure_broker

__all__ = [
    "Broker",
    "BrokerDidNotStart",
    "KafkaUnavailable",
    "SecureBroker",
    "addresses",
    "running_broker",
    "running_cluster",
    "running_secure_broker",
]
