import shlex

import pytest

from influence.text import command, inline_code, readable


@pytest.mark.parametrize(
    "name", ["plain", "my run", "it's", 'a "b"', "$HOME", "a;b", "a`b", "naïve", "a&b", "*", "(1)", "~"]
)
def test_a_command_gives_the_shell_the_name_that_was_meant(name: str) -> None:
    typed = command("check", f"results/{name}", "--out", name)
    assert shlex.split(typed) == ["python", "-m", "influence", "check", f"results/{name}", "--out", name]


def test_a_plain_command_is_not_quoted() -> None:
    assert command("evaluate", "lds", "results/seed-1") == "python -m influence evaluate lds results/seed-1"


@pytest.mark.parametrize(
    ("text", "code"),
    [("plain", "`plain`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("`a``b`", "``` `a``b` ```")],
)
def test_inline_code(text: str, code: str) -> None:
    assert inline_code(text) == code


@pytest.mark.parametrize("name", ["naïve", "数据", "Ωmega 🔎", "plain", "a\\b", "C:\\udir"])
def test_a_name_is_readable_in_whatever_way_it_was_decoded(name: str) -> None:
    as_ascii = name.encode().decode("ascii", "surrogateescape")
    assert readable(as_ascii) == readable(name) == name
    if "\\" not in name:
        assert readable(repr(as_ascii)) == repr(name)


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert readable(b"a\xffb\xc3\xa9".decode("ascii", "surrogateescape")) == "a\\xffbé"
