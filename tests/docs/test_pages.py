"""The generated pages are what the code says, and links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)]+)?\)")


def test_no_generated_page_is_stale() -> None:
    done = build("--check")
    assert done.returncode == 0, done.stderr


def test_a_stale_page_is_named(tmp_path: Path) -> None:
    for name in ("README.md", "README.zh-CN.md", "docs/figures.json"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    main = "import pathlib, docs_build.__main__ as m"
    done = subprocess.run(  # noqa: S603 our own program
        [
            sys.executable,
            "-c",
            f"{main}; m.ROOT = pathlib.Path.cwd(); m.main()",
            "--check",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "docs/reference/settings.md is stale" in done.stderr
    assert not (tmp_path / "docs" / "reference").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path
        assert target.exists(), path
        if anchor:
            assert anchor[1:] in anchors(target), anchor


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own program
        [sys.executable, "-m", "docs_build", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
