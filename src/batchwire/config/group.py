"""What all groups of settings have in common."""

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Group(BaseModel):
    """A group of settings: knows all its keys, and takes texts for numbers."""

    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )


def _no_boolean(value: Any) -> Any:  # noqa: ANN401 unvalidated
    if isinstance(value, bool):
        problem = "must not be true or false"
        raise ValueError(problem)  # noqa: TRY004 pydantic collects ValueErrors
    return value


# To pydantic's int and float, true is 1.
Integer: TypeAlias = Annotated[int, BeforeValidator(_no_boolean)]
Number: TypeAlias = Annotated[float, BeforeValidator(_no_boolean)]
