"""The layer of the command line."""

from collections.abc import Mapping

from batchwire.config.layers import Layer, Origin, Place, traced

_PLACE = Place(Origin.FLAG, "command line")


def read(overrides: Mapping[str, object]) -> Layer:
    """Nest dotted keys (``engine.chunk_size``). None is a flag that was not given."""
    layer = Layer()
    for key, value in overrides.items():
        if value is None:
            continue
        *groups, last = path = tuple(key.split("."))
        group = layer.values
        for name in groups:
            group = group.setdefault(name, {})
        group[last] = value
        layer.places.update(traced(path, value, _PLACE))
    return layer
