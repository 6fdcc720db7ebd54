"""The HTTP client as we need it: no retries, no redirects, no surprises."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError
from pyreqwest.http import Url
from pyreqwest.request import StreamRequest

from batchwire import __version__
from batchwire.adapters.http.credentials import Secrets, auth_headers
from batchwire.adapters.http.settings import HttpSettings
from batchwire.errors import ProviderSettingsRefused

_CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}
_PROXIES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})


def build_client(provider: str, settings: HttpSettings) -> Client:
    """
    Return the client of ``provider``; it sends each request at most once.

    HTTP/1.1 only: over HTTP/2 reqwest repeats what a server refused with
    ``REFUSED_STREAM`` or ``GOAWAY``. Over HTTP/1.1 hyper takes a request to another
    connection only where the pooled one died before a byte was written.

    Raises:
        ProviderSettingsRefused: ``ca_file``, or the proxy of the environment, is
            missing or unusable.
    """
    builder = (
        ClientBuilder()
        .http1_only()
        .follow_redirects(enable=False)
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
        .user_agent(f"batchwire/{__version__}")
        .connect_timeout(timedelta(seconds=settings.connect_timeout_s))
        .timeout(timedelta(seconds=settings.timeout_s))
        .pool_idle_timeout(timedelta(seconds=settings.keep_alive_s))
        .danger_accept_invalid_certs(enable=not settings.verify_tls)
    )
    if not settings.keep_alive_s:  # the pool would lend out what is closing just now
        builder = builder.pool_max_idle_per_host(0)
    if settings.ca_file is not None:
        builder = _trusting(builder, provider, settings.ca_file)
    if settings.proxy_from_environment:
        _check_proxies(provider, settings.url)
    else:
        builder = builder.no_proxy()
    try:
        return builder.build()
    except BuilderError as error:
        what = f"provider {provider}: ca_file {settings.ca_file}"
        problem = f"{what} holds no usable certificate"
        raise ProviderSettingsRefused(problem) from error


def blank_request(
    client: Client, settings: HttpSettings, secret: Secrets, with_head_bytes: int
) -> StreamRequest:
    """
    Return a request that lacks only its body, to be copied for each message.

    So much of an answer's body is read with its head, in one hop; 0 is the head alone.

    Raises:
        ProviderSettingsRefused: an environment variable is missing.
    """
    given = {name.lower(): value for name, value in settings.headers.items()}
    builder = client.request(settings.method, settings.url)
    builder.headers({"content-type": _CONTENT_TYPES[settings.encoding]} | given)
    for name, value in auth_headers(settings.auth, secret).items():
        builder.header(name, value, is_sensitive=True)  # masked in its repr
    builder.streamed_read_buffer_limit(with_head_bytes)
    return builder.build_streamed()


def _check_proxies(provider: str, url: str) -> None:
    """Refuse what the client would pass over without a word, and go straight."""
    kinds = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    for name in (name for kind in kinds for name in (kind, kind.upper())):
        if (value := os.environ.get(name)) and not _is_proxy(value):
            problem = (
                f"provider {provider}: the environment variable {name} names no proxy;"
                " write it as http://host:port"
            )
            raise ProviderSettingsRefused(problem)


def _is_proxy(value: str) -> bool:
    is_bare = "://" not in value
    full = f"http://{value}" if is_bare else value
    try:
        Url(full)  # as the client will read it
        parts = urlsplit(full)
    except ValueError:
        return False
    is_plain = value.isascii() and value.isprintable() and " " not in value
    is_known = parts.scheme in _PROXIES and bool(parts.hostname)
    return is_plain and is_known and not (is_bare and parts.path)


def _trusting(builder: ClientBuilder, provider: str, ca_file: str) -> ClientBuilder:
    what = f"provider {provider}: ca_file {ca_file}"
    try:
        certificate = Path(ca_file).read_bytes()
    except OSError as error:
        problem = f"{what} cannot be read ({error.strerror})"
        raise ProviderSettingsRefused(problem) from error
    if b"-----BEGIN CERTIFICATE-----" not in certificate:  # ignored without a word
        problem = f"{what} holds no certificate in PEM form"
        raise ProviderSettingsRefused(problem)
    return builder.add_root_certificate_pem(certificate)
