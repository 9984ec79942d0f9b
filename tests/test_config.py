"""Configs: strict types, one sentence of refusal, JSON there and back, and members found by folder."""

from typing import Literal

import pytest

from influence.config import Config, Real, setting
from influence.errors import InfluenceError
from influence.learners.base import LEARNERS, Learner


class Inner(Config):
    share: float = setting(0.5, "A share.", gt=0, lt=1)


class Rate(Config):
    rate: Real = setting(0.1, "A rate.", gt=0)


class Outer(Config):
    size: int | None = setting(None, "A size.", ge=1)
    names: tuple[str, ...] = setting((), "Names.")
    mode: Literal["a", "b"] = setting("a", "A mode.")
    inner: Inner = setting(Inner(), "Inner settings.")
    repeat: int = setting(0, "A repetition.", ge=0, alias="retrain")
    late: bool = setting(False, "A setting that came later.", added=True)


class Grown(Inner):
    quiet: int | None = setting(None, "One that left the digests of older configs as they were.", silent=True)


class Holding(Config):
    inner: Inner = setting(Grown(), "Inner settings.")


def test_json_there_and_back_under_stored_names():
    config = Outer(size=3, names=("x",), inner=Inner(share=0.25), repeat=2)
    stored = config.as_dict()
    assert stored == {
        "size": 3,
        "names": ["x"],
        "mode": "a",
        "inner": {"share": 0.25},
        "retrain": 2,
        "late": False,
    }
    assert Outer.parse(stored) == config
    assert Outer.parse({name: value for name, value in stored.items() if name != "late"}) == config
    assert hash(Outer.parse(stored)) == hash(config)


def test_a_silent_setting_is_stored_only_where_it_is_not_the_default():
    assert Grown().as_dict() == Inner().as_dict()
    assert Grown().digest == Inner().digest
    assert Grown.parse(Inner().as_dict()) == Grown()
    assert Grown.parse(Grown(quiet=3).as_dict()) == Grown(quiet=3)
    assert Grown(quiet=3).digest != Grown().digest
    assert Holding(inner=Grown(quiet=3)).as_dict() == {"inner": {"share": 0.5, "quiet": 3}}
    assert Holding().as_dict() == {"inner": {"share": 0.5}}


def test_a_whole_number_may_stand_for_a_float_and_is_the_same_config():
    assert Inner.parse({"share": 0.5}) == Inner()
    assert Rate.parse({"rate": 1}) == Rate(rate=1.0)
    assert Rate(rate=1).digest != Rate(rate=1.0).digest
    assert Rate(rate=1).as_dict() == {"rate": 1}
    with pytest.raises(InfluenceError, match="rate is True, but must be a number"):
        Rate(rate=True)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 0}, "size is 0, but must be at least 1."),
        ({"size": 1.0}, "size is 1.0, but must be a whole number of at least 1, or null."),
        ({"size": True}, "size is True, but must be a whole number of at least 1, or null."),
        ({"size": "3"}, "size is '3', but must be a whole number of at least 1, or null."),
        ({"mode": "c"}, "mode is 'c', but must be one of a, b."),
        ({"names": ["x", 1]}, "names is 1, but must be a list of texts."),
        ({"names": "x"}, "names is 'x', but must be a list of texts."),
        ({"inner": {"share": 1.0}}, "share is 1.0, but must be above 0 and below 1."),
        ({"inner": {"share": float("nan")}}, "share is nan, but must be above 0 and below 1."),
        ({"inner": {"shore": 0.5}}, "These settings of Inner lack share: give a config that was stored whole."),
        ({"inner": 3}, "inner is 3, but must be a mapping of names to values."),
        ({"sise": 3}, "Outer has no setting 'sise': it has size, names, mode, inner, repeat, late."),
    ],
)
def test_what_will_not_do_is_said_in_a_sentence(values, sentence):
    with pytest.raises(InfluenceError) as caught:
        Outer(**values)
    assert str(caught.value).startswith(sentence)
    with pytest.raises(InfluenceError):
        Outer.parse(Outer().as_dict() | values)


def test_a_lost_setting_is_no_default():
    stored = Outer().as_dict()
    del stored["mode"]
    with pytest.raises(InfluenceError, match="lack mode"):
        Outer.parse(stored)
    with pytest.raises(InfluenceError, match="mapping"):
        Outer.parse([1])


def test_a_change_is_checked():
    assert Outer().replace(size=5).size == 5
    with pytest.raises(InfluenceError, match="size is -1"):
        Outer().replace(size=-1)


def test_members_are_found_by_looking_into_the_folder():
    assert set(LEARNERS) >= {"convnet", "mlp", "patchnet"}
    for name, member in LEARNERS.items():
        default = member()  # type: ignore[call-arg]
        assert default.name == name
        assert Learner.parse(default.as_dict()) == default
