"""The page of all settings."""

from batchwire.config import SettingRow, reference
from docs_build.markdown import code, table

_HEAD = """\
# Settings

What counts, from the strongest: the command line, the environment, the file, the
default. The file is `--config PATH`, else what `BATCHWIRE_CONFIG` names, else
`batchwire.yaml` in the working directory, if there is one. `batchwire config show` prints
what is in force and who set it; `batchwire config check` finds all values that are wrong, and
once there are none, what of a provider does not fit together or is missing in the environment.
Both show no secret.

A key is written with dots here and nested in the YAML file. `<name>` is a name that you
choose. An environment variable that is empty is not set; a group may be given whole, as
JSON.

Any mistake in the settings ends `send`, `serve` and `config check` with 4. What only looks
at batches or operates on them, `pause` and `abort` first of all, does without `providers`,
`default_provider` and `engine` where something is wrong there, and says so in a note; so it
does with a `BATCHWIRE_` variable that no setting has, unless its name is like those of the
database, of `batch_events` or of the settings file. A mistake anywhere else it refuses too:
it could mean another database or another topic.
`providers`, `purge`, `lists`, `topics` and `db` take no mistake.
"""
_PROVIDER = "providers.<name>."


def page() -> str:
    """Give the page."""
    rows = reference()
    general = [row for row in rows if not row.key.startswith(_PROVIDER)]
    of_provider = [row for row in rows if row.key.startswith(_PROVIDER)]
    kinds = dict.fromkeys(row.kinds[0] for row in of_provider if row.kinds)
    sections = [_HEAD, "\n## General\n\n", _table(general)]
    every = [row for row in of_provider if not row.kinds]
    sections += ["\n## Every provider\n\n", _table(every)]
    for kind in kinds:
        own = [row for row in of_provider if row.kinds[:1] == (kind,)]
        sections += [f"\n## Providers of kind `{kind}`\n\n", _table(own)]
    return "".join(sections)


def _table(rows: list[SettingRow]) -> str:
    return table(
        ("setting", "environment variable", "type", "default", "meaning"),
        (
            (code(row.key), code(row.variable), row.type, _default(row), _meaning(row))
            for row in rows
        ),
    )


def _default(row: SettingRow) -> str:
    return row.default if row.default == "required" else code(row.default)


def _meaning(row: SettingRow) -> str:
    """Add of which kind of sub-group a key is."""
    inner = row.kinds[1:]
    return f"With `{inner[0]}`: {row.meaning}" if inner else row.meaning
