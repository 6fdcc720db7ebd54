"""The published documents, printed."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

DOCS = Path(__file__).parents[2] / "docs"
Cli = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("what", "page"),
    [
        ("asyncapi", "asyncapi.json"),
        ("request", "schemas/batch_request.json"),
        ("status", "schemas/batch_status_update.json"),
        ("operation", "schemas/batch_operation.json"),
    ],
)
def test_a_document_is_printed_as_it_is_published(
    cli: Cli, what: str, page: str
) -> None:
    done = cli("schema", what)
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads((DOCS / page).read_bytes())


def test_what_cannot_be_printed_is_refused_with_what_can(cli: Cli) -> None:
    done = cli("schema", "openapi")
    assert done.returncode == 2
    assert "asyncapi" in done.stderr
