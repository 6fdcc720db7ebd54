"""The table of measured figures, between two markers in each README."""

import re
from pathlib import Path

import msgspec
from bench.figure import Figure, told

from docs_build.markdown import table as markdown_table

_BEGIN, _END = "<!-- figures -->\n", "<!-- /figures -->"


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The words of the table in one language."""

    headers: tuple[str, ...]
    at_least: str
    at_most: str
    unmeasured: str


ENGLISH = Words(
    headers=("bench", "case", "measured", "floor", "ratio", "promise", "runs"),
    at_least="at least",
    at_most="at most",
    unmeasured="Not measured yet: `make bench` measures.",
)
CHINESE = Words(
    headers=("基准", "场景", "实测", "下限对照", "比值", "目标", "次数"),
    at_least="至少",
    at_most="至多",
    unmeasured="尚未测量：运行 `make bench` 即可测量。",  # noqa: RUF001 Chinese
)


def read(path: Path) -> list[Figure]:
    """Read what was measured: a list of figures, empty until there are some."""
    return msgspec.json.decode(path.read_bytes(), type=list[Figure])


def table(figures: list[Figure], words: Words) -> str:
    """Give the table in one language."""
    if not figures:
        return f"{words.unmeasured}\n"
    return markdown_table(
        words.headers,
        (
            (
                f"`{one.bench}`",
                one.case,
                f"{told(one.value)} {one.unit}",
                "" if one.floor is None else told(one.floor),
                "" if one.ratio is None else f"{one.ratio:.2f}",
                _promise(one, words),
                str(one.runs),
            )
            for one in figures
        ),
    )


def put(readme: str, content: str) -> str:
    """
    Replace what stands between the markers.

    Raises:
        ValueError: there is no pair of markers.

    """
    pattern = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise ValueError(f"a README needs one pair of {_BEGIN.strip()} and {_END}")
    return pattern.sub(lambda _: f"{_BEGIN}\n{content}\n{_END}", readme)


def _promise(one: Figure, words: Words) -> str:
    bounds = [
        f"{word} {told(bound)}"
        for word, bound in (
            (words.at_least, one.at_least),
            (words.at_most, one.at_most),
        )
        if bound is not None
    ]
    return ", ".join(bounds)
