"""The layer of the command line."""

from collections.abc import Mapping

from batchwire.config.layers import Layer, Origin, Place

_PLACE = Place(Origin.FLAG, "command line")


def read(overrides: Mapping[str, object]) -> Layer:
    """Nest dotted keys (``engine.chunk_size``). None is a flag that was not given."""
    layer = Layer()
    for key, value in overrides.items():
        if value is not None:
            layer.put(tuple(key.split(".")), value, _PLACE)
    return layer
