"""Templates: what compiles, what does not, and what is rendered."""

import re

import pytest
from hypothesis import given, strategies as st

from batchwire.domain.template import Template
from batchwire.errors import BrokenTemplate

NAMES = ("name", "_x", "Straße", "order.no", "a-1", "имя", "名前")
values = st.text(max_size=8) | st.sampled_from(["{{name}}", "%s", "{0}", "}}", "{{"])
plain = st.text(max_size=8).filter(lambda text: not set(text) & set("{}"))
sources = st.lists(plain | st.sampled_from([f"{{{{{name}}}}}" for name in NAMES])).map(
    "".join
)


def test_names_are_distinct_and_in_order_of_appearance() -> None:
    template = Template.compile("{{b}} {{ a }} {{b}}{{\tc}}")
    assert template.names == ("b", "a", "c")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_letters_of_any_script_digits_and_marks(name: str) -> None:
    template = Template.compile(f"{{{{{name}}}}}")
    assert template.render_columns([["Zoë"]], 1) == ["Zoë"]


@pytest.mark.parametrize(
    "text",
    ["", "100 % sure %s %(name)s", "{} {0} {name} }{", "{ {name} }", "\\{\n"],
)
def test_what_is_no_placeholder_is_text(text: str) -> None:
    template = Template.compile(text)
    assert template.names == ()
    assert template.render_columns([], 2) == [text, text]


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("Hi {{name", 4, "never closed"),
        ("{{a {{b}}", 1, "never closed"),
        ("{{", 1, "never closed"),
        ("Hi {{}}", 4, "without a name"),
        ("Hi {{name}} {{  }}", 13, "without a name"),
        ("{{first name}}", 1, "`first name` is not a name"),
        ("{{1st}}", 1, "`1st` is not a name"),
        ("{{a\nb}}", 1, "is not a name"),
        ("{{na{me}}", 1, "`na{me` is not a name"),
        ("{{user['id']}}", 1, "is not a name"),
        ("Hi name}}", 8, "closes no placeholder"),
        ("{{name}} }}", 10, "closes no placeholder"),
        ("{{{name}}}", 1, "three braces"),
        ("x{{name}}}", 2, "three braces"),
        ("{{{name}}", 1, "three braces"),
    ],
)
def test_a_broken_template_is_refused_with_its_place(
    text: str, column: int, problem: str
) -> None:
    with pytest.raises(BrokenTemplate, match=re.escape(problem)) as caught:
        Template.compile(text)
    assert caught.value.column == column


def test_a_refusal_shows_only_the_start_of_an_endless_name() -> None:
    with pytest.raises(BrokenTemplate) as caught:
        Template.compile("{{" + "a b" * 10_000 + "}}")
    assert len(str(caught.value)) < 200


def test_rendering_fills_every_occurrence() -> None:
    template = Template.compile("{{a}}, {{b}}, {{a}}!")
    assert template.render_columns([["1", "x"], ["2", "y"]], 2) == [
        "1, 2, 1!",
        "x, y, x!",
    ]


@pytest.mark.parametrize("columns", [[], [["1"]], [["1", "2"], ["3", "4"]]])
def test_columns_that_do_not_fit_are_refused(columns: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        Template.compile("{{a}}").render_columns(columns, 2)


def test_binding_leaves_the_other_names_open() -> None:
    template = Template.compile("{{shop}}: {{name}}, {{shop}}").bind({"shop": "Ö & Co"})
    assert template.names == ("name",)
    assert template.render_columns([["Ann", "Bo"]], 2) == [
        "Ö & Co: Ann, Ö & Co",
        "Ö & Co: Bo, Ö & Co",
    ]


def test_a_bound_value_is_never_read_as_a_template() -> None:
    template = Template.compile("{{a}} {{b}}").bind({"a": "{{b}} %s {0}"})
    assert template.names == ("b",)
    assert template.render_columns([["{{a}}"]], 1) == ["{{b}} %s {0} {{a}}"]


@given(
    sources,
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(NAMES, values)), min_size=1, max_size=4
    ),
    st.sets(st.sampled_from(NAMES)),
)
def test_columns_and_binding_agree(
    source: str, recipients: list[dict[str, str]], common: set[str]
) -> None:
    template = Template.compile(source)
    columns = [[params[name] for params in recipients] for name in template.names]
    texts = template.render_columns(columns, len(recipients))
    for params, text in zip(recipients, texts, strict=True):
        pieces = re.split(r"\{\{(.*?)\}\}", source)
        pieces[1::2] = [params[name] for name in pieces[1::2]]
        assert text == "".join(pieces)
        bound = template.bind({name: params[name] for name in common})
        assert not set(bound.names) & common
        rest = [[params[name]] for name in bound.names]
        assert bound.render_columns(rest, 1) == [text]
