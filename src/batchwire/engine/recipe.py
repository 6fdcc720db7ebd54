"""From what a batch asked for to the recipe by which its messages are made."""

from batchwire.domain.batch import BatchSpec, ListFormat
from batchwire.domain.chunk import Recipe
from batchwire.domain.template import Template


def recipe(spec: BatchSpec) -> Recipe:
    """
    Give the recipe by which the batch's messages are made.

    The same at preparation, which counts parts, and at delivery, which renders. Raises
    nothing: intake has compiled the template before.
    """
    own = set(spec.list.columns)
    is_open = spec.list.format is ListFormat.JSONL
    shared = {
        name: value
        for name, value in spec.params.items()
        if not is_open and name not in own
    }
    return Recipe(
        template=Template.compile(spec.template).bind(shared),
        fallbacks=spec.params,
        default_region=spec.default_region or None,
        smart_encoding=spec.smart_encoding,
    )
