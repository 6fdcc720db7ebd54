"""A request may name a list where the settings allow it, and nowhere else."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchwire.adapters.lists.allowed import AllowedLists
from batchwire.adapters.lists.web import WebLimits
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.engine.intake import Intake
from batchwire.engine.upload import Upload
from batchwire.errors import ListUnavailable, UnreadableList
from batchwire.testing.builders import pieces, submission
from batchwire.testing.clock import ManualClock
from batchwire.testing.fault_server import (
    FaultServer,
    answer,
    closed_port,
    half_answer,
    hang_up,
    reset,
    say_nothing,
)

LIST = b"to\n+447911123456\n"
LIMITS = WebLimits(connect_timeout_s=0.5, read_timeout_s=0.3, most_bytes=1000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(SqliteDatabase(str(tmp_path / "batchwire.db")), ManualClock())
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make an allowed folder with a list, beside a secret."""
    folder = tmp_path / "lists"
    (folder / "march").mkdir(parents=True)
    (folder / "a.csv").write_bytes(LIST)
    (folder / "march" / "ü 1.csv").write_bytes(LIST)
    (tmp_path / "secret.csv").write_text("secret")
    (tmp_path / "lists-of-others").mkdir()
    (tmp_path / "lists-of-others" / "a.csv").write_text("secret")
    return folder


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer(otherwise=answer(body=LIST)) as running:
        yield running


async def read(lists: AllowedLists, reference: str) -> bytes:
    return b"".join([piece async for piece in lists.open(reference)])


def of_web(server: FaultServer, store: SqlStore) -> tuple[AllowedLists, str]:
    root = server.url.removesuffix("/send")
    return AllowedLists([f"{root}/lists/"], store, LIMITS), root


@pytest.mark.parametrize("name", ["a.csv", "march/%C3%BC%201.csv"])
async def test_a_file_below_the_folder_is_read(
    folder: Path, store: SqlStore, name: str
) -> None:
    for prefix in (folder.as_uri(), f"{folder.as_uri()}/"):
        assert await read(AllowedLists([prefix], store), f"{prefix}/{name}") == LIST


async def test_one_list_may_be_allowed_alone(folder: Path, store: SqlStore) -> None:
    lists = AllowedLists([f"{folder.as_uri()}/a.csv"], store)
    assert await read(lists, f"{folder.as_uri()}/a.csv") == LIST
    with pytest.raises(UnreadableList, match="may not be read"):
        await read(lists, f"{folder.as_uri()}/march/%C3%BC%201.csv")


@pytest.mark.parametrize(
    "escape",
    [
        "/../secret.csv",
        "/march/../../secret.csv",
        "/%2e%2e/secret.csv",
        "/.%2E/secret.csv",
        "/..%2fsecret.csv",
        "/%252e%252e/secret.csv",
        "/march\\..\\..\\secret.csv",
        "/march%5c..%5c..%5csecret.csv",
        "/a.csv%00.txt",
        "-of-others/a.csv",
        "/a.csv?x",
        "/a.csv#x",
    ],
)
async def test_no_spelling_leads_out_of_the_folder(
    folder: Path, store: SqlStore, escape: str
) -> None:
    lists = AllowedLists([folder.as_uri()], store)
    with pytest.raises(UnreadableList, match="may not be read"):
        await read(lists, folder.as_uri() + escape)


@pytest.mark.parametrize("is_folder", [False, True])
async def test_no_link_leads_out_of_the_folder(
    folder: Path, store: SqlStore, *, is_folder: bool
) -> None:
    if is_folder:
        (folder / "link").symlink_to(folder.parent)
        name = "link/secret.csv"
    else:
        (folder / "link.csv").symlink_to("../secret.csv")
        name = "link.csv"
    lists = AllowedLists([folder.as_uri()], store)
    with pytest.raises(UnreadableList, match="a link to somewhere"):
        await read(lists, f"{folder.as_uri()}/{name}")


async def test_a_link_within_the_folder_is_followed(
    folder: Path, store: SqlStore
) -> None:
    (folder / "latest.csv").symlink_to("a.csv")
    lists = AllowedLists([folder.as_uri()], store)
    assert await read(lists, f"{folder.as_uri()}/latest.csv") == LIST


async def test_what_is_no_file_is_refused_at_once(
    folder: Path, store: SqlStore
) -> None:
    os.mkfifo(folder / "pipe")
    lists = AllowedLists([folder.as_uri()], store)
    for name, problem in (("pipe", "no file"), ("march", "no file"), ("b", "No such")):
        with pytest.raises(UnreadableList, match=problem):
            await read(lists, f"{folder.as_uri()}/{name}")


async def test_without_settings_nothing_is_allowed(
    folder: Path, store: SqlStore
) -> None:
    for reference in (f"{folder.as_uri()}/a.csv", "/etc/passwd", "", "ftp://h/x"):
        with pytest.raises(UnreadableList, match="may not be read"):
            await read(AllowedLists([], store), reference)


async def test_a_list_on_the_web_is_read(server: FaultServer, store: SqlStore) -> None:
    lists, root = of_web(server, store)
    assert await read(lists, f"{root}/lists/march.csv?day=1") == LIST
    [request] = server.requests
    assert (request.method, request.target) == ("GET", "/lists/march.csv?day=1")


async def test_no_spelling_leads_to_another_place_on_the_web(
    server: FaultServer, store: SqlStore
) -> None:
    lists, root = of_web(server, store)
    port = root.rpartition(":")[2]
    for reference in (
        f"{root}/secret",
        f"{root}/lists-of-others/a",
        f"{root}/lists/../secret",
        f"{root}/lists/%2e%2e/secret",
        f"{root}/lists/..%2fsecret",
        f"{root}/lists%2fa",
        f"{root}/lists/%252e%252e/secret",
        f"{root}/lists/..\\secret",
        f"http://user@127.0.0.1:{port}/lists/a",
        f"http://127.0.0.1:{port}@example.org/lists/a",
        f"https://127.0.0.1:{port}/lists/a",
        f"http://127.0.0.1:{port}1/lists/a",
        f"http://localhost:{port}/lists/a",
        "http://127.0.0.1/lists/a",
        "http://127.0.0.1:port/lists/a",
        f"{root}/lists/a\n",
    ):
        with pytest.raises(UnreadableList, match="may not be read"):
            await read(lists, reference)
    assert server.requests == []


async def test_a_host_is_not_the_beginning_of_another(store: SqlStore) -> None:
    lists = AllowedLists(["https://lists.example.com"], store)
    for host in ("lists.example.com.evil.org", "lists.example.communes"):
        with pytest.raises(UnreadableList, match="may not be read"):
            await read(lists, f"https://{host}/a.csv")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_asked_again_later(
    server: FaultServer, store: SqlStore, status: int
) -> None:
    lists, root = of_web(server, store)
    server.will(answer(status))
    with pytest.raises(ListUnavailable, match=f"status {status}") as error:
        await read(lists, f"{root}/lists/a")
    assert error.value.retryable


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 400, 401, 403, 404, 410])
async def test_a_refusal_is_final(
    server: FaultServer, store: SqlStore, status: int
) -> None:
    lists, root = of_web(server, store)
    server.will(answer(status, headers={"location": f"{root}/lists/b"}))
    with pytest.raises(UnreadableList, match=f"status {status}") as error:
        await read(lists, f"{root}/lists/a")
    assert not error.value.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize("act", [reset, hang_up, say_nothing, half_answer()])
async def test_a_list_that_does_not_come_whole_is_fetched_again_later(
    server: FaultServer, store: SqlStore, act: object
) -> None:
    lists, root = of_web(server, store)
    server.will(act)  # type: ignore[arg-type]
    with pytest.raises(ListUnavailable, match="cannot be fetched now"):
        await read(lists, f"{root}/lists/a")


async def test_nobody_there_is_asked_again_later(store: SqlStore) -> None:
    with closed_port() as url:
        lists = AllowedLists([url], store, LIMITS)
        with pytest.raises(ListUnavailable, match="cannot be fetched now"):
            await read(lists, url)


async def test_a_list_may_be_too_large(server: FaultServer, store: SqlStore) -> None:
    lists, root = of_web(server, store)
    server.will(answer(body=b"x" * 1001))
    with pytest.raises(UnreadableList, match="larger than 1,000 bytes"):
        await read(lists, f"{root}/lists/a")


async def test_an_uploaded_list_is_read_as_it_came(store: SqlStore) -> None:
    text = "to,name\n" + "".join(f"+44781{n:07d},Ann\n" for n in range(40_000))
    done = await Upload(store).keep(pieces(text, 100_000))
    assert (done.records, done.columns) == (40_000, ("to", "name"))
    assert await read(AllowedLists([], store), done.reference) == text.encode()


async def test_a_bad_list_is_refused_at_its_upload(store: SqlStore) -> None:
    for text in ("", "to\n", "a,a\n1,2\n", 'to\n"1\n', '{"to": "1"}\n{"to": 2}\n'):
        with pytest.raises(UnreadableList):
            await Upload(store).keep(pieces(text))


@pytest.mark.parametrize("first", ["+447911123455", "nobody"])
async def test_a_list_of_json_texts_is_read_at_both_doors(
    store: SqlStore, first: str
) -> None:
    text = f'"{first}"\n"+447911123456"\n'
    done = await Upload(store).keep(pieces(text), "march.jsonl")
    batch, _ = await Intake(store, ManualClock()).take(
        submission(source=done.reference),
        AllowedLists([], store).open(done.reference),
    )
    assert batch.spec.list.records == done.records == 2


@pytest.mark.parametrize("name", ["upload-none", "b1.5f3", ""])
async def test_only_uploads_can_be_named(store: SqlStore, name: str) -> None:
    await store.add_list_blocks("b1.5f3", 0, [b"another batch's"])
    with pytest.raises(UnreadableList, match="no such uploaded list"):
        await read(AllowedLists([], store), f"list:{name}")


async def test_an_upload_that_nobody_uses_is_removed_after_a_day(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    store = SqlStore(SqliteDatabase(str(tmp_path / "other.db")), clock)
    await store.open()
    done = await Upload(store).keep(pieces("+447911123456\n"))
    await clock.advance(86_401)
    assert await store.discard_orphans(clock.now()) == 1
    with pytest.raises(UnreadableList):
        await read(AllowedLists([], store), done.reference)
    await store.close()
