"""librdkafka's mock cluster: the errors that a real broker does not give on demand."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import confluent_kafka

# Kafka protocol: API keys.
PRODUCE: Final = 0
OFFSET_COMMIT: Final = 8
CONSUMER_GROUP_HEARTBEAT: Final = 68

_PRODUCER: Final = 0  # rd_kafka_type_t
_END, _TOPIC, _VALUE, _FLAGS, _HEADER = 0, 1, 4, 7, 9  # rd_kafka_vtype_t
_COPY: Final = 2  # RD_KAFKA_MSG_F_COPY


class MockCluster:
    """One node that takes and gives records; ``address`` is for ``bootstrap.servers``."""

    def __init__(self, library: ctypes.CDLL, cluster: ctypes.c_void_p) -> None:
        self._library = library
        self._cluster = cluster
        self.address = str(_bootstraps(library, cluster))

    def create_topic(self, topic: str, partitions: int) -> None:
        """Make one; others come into being when they are written to."""
        made = self._library.rd_kafka_mock_topic_create
        made(self._cluster, topic.encode(), ctypes.c_int(partitions), ctypes.c_int(1))

    def fail_next(self, api_key: int, *codes: int) -> None:
        """Answer the next requests of this kind with these errors, one each."""
        errors = (ctypes.c_int * len(codes))(*codes)
        push = self._library.rd_kafka_mock_push_request_errors_array
        push(
            self._cluster, ctypes.c_int16(api_key), ctypes.c_size_t(len(codes)), errors
        )

    def publish(self, topic: str, value: bytes, header: bytes) -> None:
        """Write a record with a header of any name: Kafka takes bytes, our client text."""
        library = self._library
        configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
        servers = (b"bootstrap.servers", self.address.encode())
        library.rd_kafka_conf_set(configuration, *servers, None, ctypes.c_size_t(0))
        handle = ctypes.c_void_p(
            library.rd_kafka_new(_PRODUCER, configuration, None, 0)
        )
        library.rd_kafka_producev(
            handle,
            *(_TOPIC, topic.encode()),
            *(_FLAGS, _COPY),
            *(_VALUE, value, ctypes.c_size_t(len(value))),
            *(_HEADER, header, b"x", ctypes.c_ssize_t(1)),
            _END,
        )
        library.rd_kafka_flush(handle, 10_000)
        library.rd_kafka_destroy(handle)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Give a cluster that lives in this process."""
    library = _library()
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    handle = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, configuration, None, 0))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, 1))
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(handle)


def _library() -> ctypes.CDLL:
    """Find the one in the wheel, which the client has loaded already."""
    wheel = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    library = ctypes.CDLL(str(next(wheel.glob("librdkafka*"))))
    for name in ("conf_new", "new", "mock_cluster_new"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


def _bootstraps(library: ctypes.CDLL, cluster: ctypes.c_void_p) -> str:
    told: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
    return told.decode()
