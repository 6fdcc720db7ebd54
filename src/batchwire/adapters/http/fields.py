"""What the settings of an HTTP provider are made of: each value is checked when read."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pyreqwest.http import Url

from batchwire.adapters.http.paths import AnswerPath


class StrictModel(BaseModel):
    """Settings that refuse unknown keys and never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        defer_build=True,
    )


def _path(text: str) -> str:
    AnswerPath.parse(text)
    return text


def _header_name(name: str) -> str:
    if name.lower() in {"content-length", "transfer-encoding"}:
        problem = f"{name} says how long a request is; the client sets it itself"
        raise ValueError(problem)
    return name


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        problem = f"{text!r} is no URL; write it as https://host/path"
        raise ValueError(problem)
    if parts.username or parts.password:
        problem = "credentials do not belong in the URL; use auth"
        raise ValueError(problem)
    try:
        url = Url(text)  # as the client will read it
        (url.host_str or "").encode("idna")
    except ValueError as error:
        problem = f"{text!r} is no URL: {error}"
        raise ValueError(problem) from None
    if url.port == 0:
        problem = f"{text!r} is no URL: port 0 is none"
        raise ValueError(problem)
    return text


EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
    AfterValidator(_header_name),
]
HeaderValue = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
PathText = Annotated[str, AfterValidator(_path)]
UrlText = Annotated[str, AfterValidator(_url)]
Word = Annotated[str, Field(min_length=1)]
