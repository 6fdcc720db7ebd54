"""Lists: their formats, where they are cut, and what is refused."""

import csv
import io
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from batchwire.domain.batch import ListFormat
from batchwire.domain.list_head import describe, header_bytes, without_mark
from batchwire.domain.recipient_list import (
    check,
    cut,
    joined,
    part,
    pieces,
    read,
    text_of,
)
from batchwire.errors import UnreadableList


@pytest.mark.parametrize(
    ("head", "source", "kind"),
    [
        ("to,name\n", "", ListFormat.CSV),
        ("+447810000001\n", "", ListFormat.PLAIN),
        ("(0781) 000-0001\n", "", ListFormat.PLAIN),
        ('{"to": "+447810000001"}\n', "", ListFormat.JSONL),
        ('"+447810000001"\n', "a.jsonl", ListFormat.JSONL),
        ('\n "+44 7810 000001"\r\n', "list:upload-1", ListFormat.JSONL),
        ('"nobody"\n', "a.ndjson", ListFormat.JSONL),
        ('"to"\n"+447810000001"\n', "", ListFormat.CSV),
    ],
)
def test_the_format_is_found_at_the_head(
    head: str, source: str, kind: ListFormat
) -> None:
    assert describe(head, "l1", source, "").format is kind


def test_a_header_tells_delimiter_columns_and_number_column() -> None:
    spec = describe("name;Phone;code\n", "l1", "", "")
    assert (spec.delimiter, spec.columns) == (";", ("name", "Phone", "code"))
    assert spec.number_column == 1
    assert describe("a,b\n", "l1", "", "b").number_column == 1


@pytest.mark.parametrize(
    ("head", "column", "sentence"),
    [
        ("to,name,name\n", "", "two columns of the name 'name'"),
        ("first,last\n", "", "no column of numbers; its columns are first, last"),
        ("to,name\n", "phone", "has no column 'phone'; its columns are to, name"),
    ],
)
def test_a_bad_header_is_refused(head: str, column: str, sentence: str) -> None:
    with pytest.raises(UnreadableList, match=sentence):
        describe(head, "l1", "a.csv", column)


def test_csv_rows_are_read_by_name() -> None:
    spec = describe("to,name,code\n", "l1", "", "")
    rows = read('+441,"Ann, B",7\n\n+442,Bob\n+443,C,8,9\n', spec, ("code", "x"), 2)
    assert rows.numbers == ["+441", "+442", "+443"]
    assert rows.columns == [["7", None, "8"], [None, None, None]]
    assert rows.problems == {2: "too_many_fields"}


def test_columns_without_a_name_are_passed_over() -> None:
    spec = describe("to,,name,\n", "l1", "", "")
    rows = read("+441,x,Ann,\n+442,,Bob,y\n", spec, ("name",), 2)
    assert (rows.numbers, rows.columns) == (["+441", "+442"], [["Ann", "Bob"]])


def test_a_row_that_ends_before_its_number_has_an_empty_one() -> None:
    spec = describe("name,to\n", "l1", "", "")
    assert read("Ann,+441\nTotal\n", spec, ("name",), 2).numbers == ["+441", ""]


def test_json_lines_are_read_by_name() -> None:
    spec = describe('{"to": "1"}', "l1", "", "")
    text = '{"to": "+441", "params": {"n": 7, "m": "x"}}\n\n"+442"\n'
    rows = read(text, spec, ("n",), 1)
    assert (rows.numbers, rows.columns) == (["+441", "+442"], [["7", None]])


@pytest.mark.parametrize(
    ("head", "text", "line"),
    [
        ("to,name\n", '+441,Ann\n+442,"B"ob\n', 11),
        ('{"to": "1"}', '"+441"\n{"to": 5}\n', 11),
    ],
)
def test_a_broken_record_is_named_by_its_line(head: str, text: str, line: int) -> None:
    with pytest.raises(UnreadableList) as raised:
        read(text, describe(head, "l1", "", ""), (), 10)
    assert raised.value.line == line


def test_bytes_that_are_no_text_are_named_by_their_line() -> None:
    with pytest.raises(UnreadableList, match=r"a\.csv, line 6: byte 0xff is not UTF-8"):
        text_of(b"a\nb\xff", first_line=5, source="a.csv")
    with pytest.raises(UnreadableList, match="line 5: has NUL bytes"):
        text_of(b"a\0", first_line=5, source="")


def test_a_byte_order_mark_is_taken_off_or_refused() -> None:
    assert without_mark(b"\xef\xbb\xbfto", "") == b"to"
    with pytest.raises(UnreadableList, match="is UTF-16"):
        without_mark(b"\xff\xfet\0", "")


@pytest.mark.parametrize("blank", [",,\n", "\xa0\n", "\u2028\n", " \r\n\n"])
def test_what_is_blank_before_the_header_belongs_to_it(blank: str) -> None:
    head = f"{blank}to,name,x\n"
    assert describe(f"{head}+44,a,b\n", "l1", "", "").columns == ("to", "name", "x")
    assert header_bytes(f"{head}+44,a,b\n", ",") == len(head.encode())


def test_a_record_that_breaks_the_format_is_named_by_where_it_begins() -> None:
    spec = describe("to,n\n", "l1", "a.csv", "")
    with pytest.raises(UnreadableList, match=r"a\.csv, line 4: is not CSV"):
        read('1,a\n2,"b\nc"\n3,"d\n4,e\n5,f\n', spec, ("n",), 1)


def test_utf_16_without_a_mark_is_not_taken_for_latin_1() -> None:
    with pytest.raises(UnreadableList, match="line 1: has NUL bytes"):
        text_of("to\nö".encode("utf-16-le"), first_line=1, source="")


def test_a_header_whose_quote_is_never_closed_is_refused() -> None:
    with pytest.raises(UnreadableList, match="its header is not CSV"):
        describe('to,"size\n+447810000001,a\n', "l1", "", "")


def test_which_of_several_columns_of_numbers_is_meant_is_not_guessed() -> None:
    with pytest.raises(
        UnreadableList, match="several columns of numbers: mobile, Phone"
    ):
        describe("name,mobile,Phone\n", "l1", "", "")
    assert describe("name,mobile,phone\n", "l1", "", "phone").number_column == 2
    assert describe("phone,to\n", "l1", "", "").number_column == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_excel_s_mark_before_the_header_says_what_separates(delimiter: str) -> None:
    head = f"sep={delimiter}\r\nto{delimiter}name\r\n"
    spec = describe(head, "l", "x.csv", "")
    assert (spec.delimiter, spec.columns) == (delimiter, ("to", "name"))
    assert header_bytes(f"{head}+44{delimiter}a\r\n", delimiter) == len(head)


def test_blank_lines_of_a_list_of_one_column_are_passed_over() -> None:
    spec = describe("to\n", "l1", "", "")
    assert read('"+441"\n   \n+442\n', spec, (), 2).numbers == ["+441", "+442"]


def test_where_to_cut_behind_a_lone_quote_is_found_in_one_pass() -> None:
    rows = b"+491711234567,Anna\n" * 50_000
    buffer = b'1,5" pipe\n' + rows + b'2,"open\n' + rows
    looked_at = 0

    class Counted(bytes):
        def count(self, sub: bytes, start: int = 0, end: int = -1) -> int:  # type: ignore[override]
            nonlocal looked_at
            looked_at += end - start
            return bytes.count(self, sub, start, end)

    assert cut(Counted(buffer), is_csv=True) == len(buffer)
    assert cut(Counted(buffer[: len(rows) // 2]), is_csv=True) == 0
    assert looked_at < 4 * len(buffer)


def test_a_header_may_span_lines_and_follow_blank_ones() -> None:
    assert header_bytes('\n"to\nx",b\n+44\n', ",") == len(b'\n"to\nx",b\n')


@given(st.lists(st.lists(st.sampled_from(["a", "x\ny", 'q"q', ""]), min_size=2)))
def test_a_cut_is_the_end_of_a_csv_record(records: list[list[str]]) -> None:
    lines = [
        ",".join('"' + field.replace('"', '""') + '"' for field in record) + "\n"
        for record in records
    ]
    whole = "".join(lines).encode()
    ends = {len("".join(lines[:n])) for n in range(len(lines) + 1)}
    for size in range(len(whole) + 1):
        assert cut(whole[:size], is_csv=True) in ends
    assert cut(whole, is_csv=True) == len(whole)


@pytest.mark.parametrize("head", ["to,n\n", "+447810000001\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_a_block_is_cut_into_pieces_of_whole_records(head: str, last: str) -> None:
    spec = describe(head, "l1", "", "")
    lines = (
        f"+4478{n:08}" + ",a" * (spec.format is ListFormat.CSV) for n in range(9000)
    )
    block = "\n".join(lines) + last
    found = list(pieces(block, spec))
    assert len(found) > 3
    assert "".join(found) == block
    assert {piece[-1] for piece in found[:-1]} == {"\n"}


def test_a_block_in_which_a_record_may_span_lines_is_one_piece() -> None:
    block = '1,"a\nb"\n' * 9000
    assert list(pieces(block, describe("to,n\n", "l1", "", ""))) == [block]


def test_parts_of_rows_join_again() -> None:
    spec = describe("to,n\n", "l1", "", "")
    rows = read("1,a\n2,b,c\n3,d\n", spec, ("n",), 1)
    assert joined(part(rows, 0, 1), part(rows, 1)) == rows


def test_a_lone_quote_in_the_header_takes_no_record_into_it() -> None:
    head = 'a"b,to\n1,+447810000001\n2,3" c\n'
    assert header_bytes(head, ",") == len(b'a"b,to\n')
    assert header_bytes('"a\nb",to\n1,2\n', ",") == len(b'"a\nb",to\n')


def test_a_header_of_one_endless_line_is_refused() -> None:
    with pytest.raises(
        UnreadableList, match=r"line 1: has 20,001 columns; at most 16,384"
    ):
        describe("to" + "," * 20_000, "l1", "a.csv", "")


@pytest.mark.parametrize("column", ["", "phone"])
def test_of_many_columns_a_sentence_names_the_first(column: str) -> None:
    head = ",".join(f'"name\n{n}"' for n in range(10_000))
    with pytest.raises(UnreadableList, match=r"are name 0, name 1, .*… \(10,000 col"):
        describe(head, "l1", "a.csv", column)


def test_short_rows_below_a_wide_header_are_not_filled_up() -> None:
    spec = describe("to" + "," * 10_000 + ",n\n", "l1", "", "")
    text = "+447810000001\n" * 1_000
    tracemalloc.start()
    rows = read(text, spec, ("n",), 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(rows.numbers), rows.columns) == (1_000, [[None] * 1_000])
    assert peak < 1_000 * 10_000


@pytest.mark.parametrize("head", ["+447810000001\n", "to\n", "to,n\n"])
def test_a_cr_alone_ends_a_line(head: str) -> None:
    text = "+447810000001\r+447810000002\r\n\r+447810000003\n"
    rows = read(text, describe(head, "l1", "", ""), ("n",), 1)
    assert rows.numbers == [f"+44781000000{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("head", ["+447810000001\n", "to\n", "to,n\n", '{"to": "1"}\n'])
@given(st.text('+1,"\n\r {}') | st.text())
def test_a_check_finds_what_is_read(head: str, text: str) -> None:
    spec = describe(head, "l1", "", "")

    def found(look: Callable[[], int]) -> int | str:
        try:
            return look()
        except UnreadableList as error:
            return str(error)

    there = found(lambda: len(read(text, spec, ("n",), 7).numbers))
    assert found(lambda: check(text, spec, 7)) == there


@pytest.mark.parametrize("head", ['a"b,to\n', 'to, "n"\n', '\n"a\nb"c,to\n'])
def test_a_quote_within_a_name_of_the_header_is_refused(head: str) -> None:
    with pytest.raises(UnreadableList, match="header is not CSV: a quote"):
        describe(f"{head}1,+447810000001\n", "l1", "", "")
    with_flaw_behind = describe('"a, ""b""",to\n1,a"b\n', "l1", "", "")
    assert with_flaw_behind.columns == ('a, "b"', "to")


@given(st.lists(st.lists(st.text('a,;"\n\r\t| '), min_size=1), min_size=1))
def test_quotes_as_python_writes_them_are_sound(rows: list[list[str]]) -> None:
    for delimiter in ",;\t|":
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter).writerows([["x", *row] for row in rows])
        spec = describe(f"to{delimiter}n\n", "l1", "", "")
        assert check(file.getvalue(), spec, 1) == len(rows)


@pytest.mark.parametrize("head", ["to\n", "to,n\n", '{"to": "1"}\n'])
def test_an_empty_number_in_quotes_is_no_blank_line(head: str) -> None:
    spec = describe(head, "l1", "", "")
    assert read('"1"\n""\n\n"2"\n', spec, (), 2).numbers == ["1", "", "2"]
