"""The layer of the environment: ``BATCHWIRE_ENGINE__CHUNK_SIZE`` is a key of a group."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from batchwire.config.keys import BETWEEN, PREFIX, KeyPath, path_of
from batchwire.config.layers import Layer, Origin, Place, laid_over, traced
from batchwire.config.settings import Settings

CONFIG_VARIABLE: Final = "BATCHWIRE_CONFIG"  # names the file; sets nothing itself
_OF_BOTH: Final = ("kafka", "consumer")
SPECIFIED: Final[Mapping[str, tuple[KeyPath, ...]]] = {  # the specification's own names
    "KAFKA_BROKERS": tuple(("batch_events", g, "brokers") for g in _OF_BOTH),
    "KAFKA_TOPIC": tuple(("batch_events", g, "topic") for g in _OF_BOTH),
    "KAFKA_GROUP_ID": (("batch_events", "consumer", "group_id"),),
    "KAFKA_BATCH_SIZE": (("batch_events", "kafka", "batch_size"),),
    "KAFKA_BATCH_TIMEOUT": (("batch_events", "kafka", "batch_timeout"),),
    "KAFKA_MAX_ATTEMPTS": (("batch_events", "kafka", "max_attempts"),),
    "KAFKA_PROCESSORS": (("batch_events", "consumer", "processors"),),
    "KAFKA_CONSUMERS": (("batch_events", "consumer", "consumers"),),
}
_NO_SETTINGS: Final = {CONFIG_VARIABLE, "BATCHWIRE_DEBUG"}  # the second: see cli


class _Variables(EnvSettingsSource):
    """Theirs, but reading the environment that it is handed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(
            Settings,
            case_sensitive=False,
            env_prefix=PREFIX,
            env_nested_delimiter=BETWEEN,
        )
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(
        self,
        field_name: str,
        field: FieldInfo,
        value: Any,  # noqa: ANN401 their signature
    ) -> Any:  # noqa: ANN401 their signature
        """Leave what is no JSON as it is: validation then names its key."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def read(environ: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """
    Take the variables with our prefix; one that is empty is not set.

    Groups and lists may be given whole, as JSON. The names that the specification fixes
    are read too; one of ours for the same key wins. The second value is the variables that
    fit no setting. Further ones may turn out so when the values are validated.
    """
    ours = {
        name: value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _NO_SETTINGS and value
    }
    layer, strays = Layer(values=_Variables(ours)()), []
    for name in sorted(ours):  # a group before its keys, which win
        path = path_of(name)
        value = _at(layer.values, path)
        if value is None:
            strays.append(name)
        else:
            layer.places.update(traced(path, value, _place(name)))
    return laid_over(_specified(environ), layer), strays


def _specified(environ: Mapping[str, str]) -> Layer:
    layer = Layer()
    for name, paths in SPECIFIED.items():
        for path in paths if environ.get(name) else ():
            layer.put(path, environ[name], _place(name))
    return layer


def _place(variable: str) -> Place:
    return Place(Origin.ENVIRONMENT, f"environment variable {variable}")


def _at(values: object, path: KeyPath) -> object:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
