"""The page of the records on the topic: fields and headers of the three messages."""

from collections.abc import Iterator
from typing import Any

from batchwire.messages import headers
from batchwire.messages.message import BatchMessage, MessageType
from batchwire.messages.requests import KINDS
from batchwire.messages.rules import INT64_MAX
from batchwire.messages.schema import schema_of
from docs_build.markdown import code, table

_HEAD = """\
# Messages

What stands on the topic, for programs in any language: the
[AsyncAPI 3 document](../asyncapi.json), and the JSON Schemas of
[requests](../schemas/batch_request.json),
[status updates](../schemas/batch_status_update.json) and
[operations](../schemas/batch_operation.json). `batchwire schema` prints them.

A schema tells what is written and what is read. Null means "absent" for every field that
is not required; so do Go's zero values: an empty time or `message_type`, the year 1, 0
for `priority` and `timeout`. Times are RFC 3339; written in UTC. Unknown fields are kept
and ignored. A schema cannot say everything: the 30th of February, and 5.0 where 5 is
meant, fit it and are refused.

"""
_VERSIONS = """
## Versions

`docs/schemas/v1/` holds the schemas as they were last released. `make check` compares
today's with them and refuses whatever would break a program that follows the released
ones, in either direction: a field that is gone or new and required, a type, range or set
that is narrower or wider, another default. A new optional field fits; anything else is a
new major version. At a release the files of `docs/schemas/` are copied there.
"""


def page() -> str:
    """Give the page."""
    messages = "".join(_section(kind) for kind in KINDS.values())
    return f"{_HEAD}{messages}{_headers()}{_VERSIONS}"


def _section(kind: type[BatchMessage]) -> str:
    schema = schema_of(kind)
    rows = (
        (
            code(name),
            "required" if name in schema["required"] else _default(one),
            "; ".join(_rules(one)),
            one["description"],
        )
        for name, one in schema["properties"].items()
    )
    fields = table(("field", "default", "rule", "meaning"), rows)
    return f"## {kind.__name__}\n\n{schema['description']}\n\n{fields}\n"


def _default(one: dict[str, Any]) -> str:
    return code(str(one["default"])) if "default" in one else ""


def _rules(one: dict[str, Any]) -> Iterator[str]:
    kinds = one["type"] if isinstance(one["type"], list) else [one["type"]]
    yield "time" if "format" in one else kinds[0]
    if "enum" in one:
        yield " or ".join(
            code(name) or "empty" for name in one["enum"] if name is not None
        )
    if "minimum" in one:
        most = one["maximum"]
        yield f"{one['minimum']} … {'64 bits' if most == INT64_MAX else most}"
    if "maxLength" in one:
        yield f"at most {one['maxLength']} characters"
    if "minLength" in one:
        yield "not empty"


def _headers() -> str:
    rows: dict[str, tuple[str, str]] = {}
    for name in MessageType:
        for header, one in headers.schema_of(name)["properties"].items():
            always = "yes" if header in headers.ALWAYS else ""
            rows[header] = (always, one.get("description", "Which message it is."))
    letters = headers.dead_letter_schema()["properties"]
    return (
        "## Headers\n\nA reader needs none of them: `message_type` tells the message,"
        " else `ce_type`, else\n`event_type`, else its fields. Empty ones are left out.\n\n"
        + table(
            ("header", "always written", "meaning"),
            ((code(name), *row) for name, row in rows.items()),
        )
        + "\n## Headers of dead letters\n\nBeside those of the record:\n\n"
        + table(
            ("header", "meaning"),
            ((code(name), one["description"]) for name, one in letters.items()),
        )
    )
