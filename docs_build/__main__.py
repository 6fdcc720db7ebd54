"""
Write the generated pages, or with ``--check`` say which are stale.

Either way say which schemas break programs that follow the released ones.
"""

import argparse
import sys
from pathlib import Path

from docs_build import schemas
from docs_build.pages import contents

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Return the exit code: 1 for a stale page, or a schema that breaks older programs."""
    parser = argparse.ArgumentParser(prog="docs_build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    only_check = parser.parse_args().check
    stale = [
        (path, text)
        for path, text in contents(ROOT).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        name = path.relative_to(ROOT)
        if only_check:
            sys.stderr.write(f"{name} is stale: run `make docs` and commit it\n")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
    broken = schemas.problems(ROOT / "docs")
    for sentence in broken:
        sys.stderr.write(f"{sentence}\n")
    return 1 if broken or (stale and only_check) else 0


if __name__ == "__main__":
    sys.exit(main())
