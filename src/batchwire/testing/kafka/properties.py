"""What a node's ``server.properties`` says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchwire.testing.kafka.listeners import Listener, Security, security_properties

CONTROLLER = "CONTROLLER"
INSIDE = "INSIDE"

# Small and quick: one person's tests, not a data centre.
_QUICK = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A member of a KIP-848 group learns of a change at its next heartbeat.
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "200",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    # After kill -9 the controller refuses the node until its old session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.segment.delete.delay.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """
    One broker, which is a controller too.

    ``port`` is its plain listener, which other nodes use as well. ``voters`` are the
    controllers of the cluster, itself included: port by node id. ``listeners`` are its
    further doors; those that are not plain need ``security``.
    """

    node_id: int = 1
    port: int
    voters: Mapping[int, int]
    listeners: tuple[Listener, ...] = ()
    security: Security | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def server_properties(node: Node, data: Path) -> str:
    """Write the file; what ``settings`` has wins."""
    wanted = _roles(node) | _doors(node) | _replication(len(node.voters)) | _QUICK
    wanted |= {"log.dirs": str(data), **node.settings}
    return "".join(f"{name}={value}\n" for name, value in wanted.items())


def _roles(node: Node) -> dict[str, str]:
    voters = (f"{one}@127.0.0.1:{port}" for one, port in node.voters.items())
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.node_id),
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": INSIDE,
    }


def _doors(node: Node) -> dict[str, str]:
    inside = Listener(name=INSIDE, port=node.port)
    doors = (inside, *node.listeners)
    controller = Listener(name=CONTROLLER, port=node.voters[node.node_id])
    every = (*doors, controller)
    wanted = {
        "listeners": ",".join(f"{it.name}://{it.address}" for it in every),
        "advertised.listeners": ",".join(
            f"{it.name}://{it.advertised or it.address}" for it in doors
        ),
        "listener.security.protocol.map": ",".join(
            f"{it.name}:{it.protocol}" for it in every
        ),
    }
    if node.security:
        for listener in node.listeners:
            wanted |= security_properties(listener, node.security)
    return wanted


def _replication(nodes: int) -> dict[str, str]:
    factor, in_sync = str(min(nodes, 3)), str(min(nodes, 2))
    return {
        "default.replication.factor": factor,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": factor,
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": factor,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
