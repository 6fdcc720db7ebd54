"""The rooms of the house, as .importlinter draws them."""

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent


def test_every_import_goes_the_way_the_house_allows() -> None:
    assert lint_imports(config_filename=str(ROOT / ".importlinter")) == 0
