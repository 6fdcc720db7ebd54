"""``python -m bench [--only a,b] [--scale 0.1] [--runs 5]``."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from batchwire.bootstrap import spare_collections
from bench import (
    claim,
    consume,
    delivery_http,
    delivery_null,
    delivery_postgres,
    end_to_end,
    lanes,
    ledger,
    memory,
    preparation,
    publish,
    relay,
    startup,
    stop,
    stop_postgres,
    workers,
)
from bench.figure import Figure, write
from bench.service import quiet

Bench = Callable[[float, int, Path], list[Figure]]

BENCHES: dict[str, Bench] = {
    "delivery-http": delivery_http.run,
    "delivery-null": delivery_null.run,
    "delivery-postgres": delivery_postgres.run,
    "preparation": preparation.run,
    "ledger": ledger.run,
    "memory": memory.run,
    "stop": stop.run,
    "stop-postgres": stop_postgres.run,
    "workers": workers.run,
    "claim": claim.run,
    "startup": startup.run,
    "consume": consume.run,
    "publish": publish.run,
    "relay": relay.run,
    "end-to-end": end_to_end.run,
    "lanes": lanes.run,
}


def main() -> None:
    """Run the benches asked for; each prints its lines and writes its file."""
    asked = _arguments()
    quiet()
    spare_collections()  # as our processes do; floors are faster by it than we are
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        with tempfile.TemporaryDirectory(dir=asked.out) as scratch:
            figures = BENCHES[name](asked.scale, asked.runs, Path(scratch))
        write(asked.out, name, figures)
        for figure in figures:
            print(figure.line(), flush=True)  # noqa: T201 - that is what it is for


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        type=_names,
        default=list(BENCHES),
        help=f"benches to run, comma between: {', '.join(BENCHES)}",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="shrinks the work: 0.1"
    )
    parser.add_argument("--runs", type=int, default=5, help="medians of so many")
    parser.add_argument(
        "--out", type=Path, default=Path("build/bench"), help="where results go"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        problem = f"no bench {unknown[0]!r}; there are {', '.join(BENCHES)}"
        raise argparse.ArgumentTypeError(problem)
    return names


if __name__ == "__main__":
    main()
