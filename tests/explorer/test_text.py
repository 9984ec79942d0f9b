"""Texts that are not ours mean nothing in Markdown."""

import pytest

from influence.explorer.text import escaped, sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a](http://x/y.png)", r"\!\[a\](http\:" + "\u2060" + r"//x/y.png)"),
        ("$a$", r"\$a\$"),
        (":smile:", r"\:" + "\u2060" + r"smile\:"),
        (":red[no]", r"\:red\[no\]"),
        ("# head", r"\# head"),
        ("1. one", r"1\. one"),
        ("two\n# lines", "two # lines"),
        ("<b>", r"\<b\>"),
        ("my-run_2", r"my-run\_2"),
    ],
)
def test_a_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_sentence_keeps_its_commands() -> None:
    assert sentence("*x* is gone: run `a_b *` again, or `c`.") == r"\*x\* is gone\: run `a_b *` again, or `c`."
    assert sentence("a ` alone") == r"a \` alone"
