"""The quality page: its verdicts follow from the figures, and what was not measured says how to."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
import zarr

from influence import evidence, homes, library, results
from influence.cli.main import app_for
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.outcomes.store import SCHEMA_VERSION
from influence.evidence import RemovalEvidence
from influence.evidence.removal import Agreement
from influence.explorer import evaluating
from influence.explorer.quality import words as quality
from influence.explorer.quality.charts import removal_scatter
from influence.explorer.quality.words import Judged
from influence.library import Entry
from influence.results import Interval
from tests.explorer import evidenced
from tests.explorer.pages import click_point, codes, open_page, texts, warnings

DIGITS = homes.precomputed_home() / "digits" / "datamodels"


def estimate(mean: float, half: float = 0.01) -> Interval:
    return Interval(mean=mean, low=mean - half, high=mean + half, level=0.95)


def judged(ceiling: float | None = 0.64, common: bool = False) -> Judged:
    methods = {
        "result": estimate(0.4),
        "neighbours": estimate(0.3),
        "same-class": estimate(0.405),
        "random": estimate(0.001),
    }
    return Judged(methods, None if ceiling is None else estimate(ceiling), 100, common)


@pytest.fixture
def own(results_home: Path) -> Path:
    """A copy of the shipped digits result, without evidence."""
    return Path(shutil.copytree(DIGITS, results_home / "mine", ignore=shutil.ignore_patterns("evidence")))


def listed(id_: str) -> Entry:
    return library.every()[0][id_]


def with_agreement(removal: RemovalEvidence, agreement: dict[str, Agreement]) -> RemovalEvidence:
    figures = removal.figures.model_copy(update={"agreement": agreement})
    return replace(removal, manifest=removal.manifest.model_copy(update={"figures": figures}))


# --- verdicts -------------------------------------------------------------------------------------------------------


def test_lds_is_told_as_a_share_of_what_could_be_explained() -> None:
    text = quality.lds_verdict(judged())
    assert "**Explains 50% of what could be explained**" in text  # 0.4 of the root of 0.64
    assert "random scores 0.00" in text
    assert "about 0.80" in text
    assert "no noise ceiling" in quality.lds_verdict(judged(None))
    common = quality.lds_verdict(judged(common=True))  # the subset settles everything: no ceiling of noise
    assert "could be explained" not in common
    assert "share their initial weights" in common
    repeats = replace(judged(None, common=True), repeatable=estimate(0.998))
    text = quality.lds_verdict(repeats)
    assert "with a few of their training examples swapped, they agree at 0.998" in text
    assert "other initial weights was **not evaluated**" in text
    assert "predict them at 0.640" in quality.lds_verdict(replace(repeats, ceiling=estimate(0.64)))


def test_a_baseline_is_beaten_when_the_intervals_are_apart() -> None:
    lds = judged()
    assert quality.against_baselines(lds) == ("It beats neighbours (0.300), and is no better than same class (0.405).")
    better = replace(lds, methods=lds.methods | {"neighbours": estimate(0.5), "same-class": estimate(0.6)})
    assert quality.against_baselines(better) == "It does worse than neighbours (0.500) and same class (0.600)."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (estimate(0.1, 0.08), "own-weight **finds more than plain loss**"),
        (estimate(0.0, 0.1), "**Plain loss does as well as own-weight**"),
        (estimate(-0.1, 0.08), "**Plain loss finds more than** own-weight"),
    ],
)
def test_plain_loss_is_given_its_due(more: Interval, said: str) -> None:
    assert quality.mislabel_verdict("own-weight", more, estimate(0.6), estimate(0.5)).startswith(said)


def test_searches_are_judged_by_the_kept_scores(own: Path) -> None:
    evidenced.mislabels(own, {"self-influence": 3.0, "own-weight": 0.0, "loss": 1.0, "held-out-loss": 1.0})
    found = evidence.read(results.read(own)).mislabels
    assert found is not None
    (search,) = quality.searches(found)
    assert search.flips == "uniform"
    assert search.verdicts[0].startswith("self-influence **finds more than plain loss**")
    assert search.verdicts[1].startswith("**Plain loss finds more than** own-weight")
    assert list(search.table["ranking"]) == list(evidence.RANKINGS)


def test_changes_that_are_lost_in_noise_are_inconclusive(own: Path) -> None:
    evidenced.removal(own, results.read(own).targets.index[:12].to_numpy())
    whole = evidence.read(results.read(own)).removal
    assert whole is not None
    assert not any("Inconclusive" in each for each in quality.removal_verdicts(whole, "margin"))
    agreement = {"all": whole.figures.agreement["all"].model_copy(update={"spearman": estimate(0.0)})}
    clear = with_agreement(whole, agreement)
    assert not any("Inconclusive" in each for each in quality.removal_verdicts(clear, "margin"))  # small, but sure
    effects = whole.tables["effects"].assign(error=np.float32(10))
    said = quality.removal_verdicts(replace(clear, tables={**whole.tables, "effects": effects}), "margin")
    assert "**Inconclusive**: 100% of the measured changes are within two standard errors of none" in said[1]
    assert "its error 10, in margin" in said[1]


def test_removals_that_are_not_predicted_are_said_to_be_none(own: Path) -> None:
    """And a removal that was trained once has no error to show."""
    evidenced.removal(own, results.read(own).targets.index[:12].to_numpy())
    whole = evidence.read(results.read(own)).removal
    assert whole is not None
    agreement = {"all": whole.figures.agreement["all"], "helpful": whole.figures.agreement["all"]}
    said = quality.removal_verdicts(with_agreement(whole, agreement), "margin")
    assert "only removals of the most helpful were predicted." in said[0]
    assert not any("Within one kind" in each for each in said)
    effects = whole.tables["effects"]
    once = effects.assign(
        error=np.float32(np.nan), predicted=effects["predicted"].where(effects["choice"] == "helpful")
    )
    shown = quality.removed(replace(whole, tables={**whole.tables, "effects": once}), None)
    assert set(shown["choice"]) == {"helpful"}
    points = removal_scatter(shown, "margin", True, "image", None).data[1].customdata
    assert points[0] == [int(shown["target"][0]), int(shown["count"][0]), ""]
    measured = quality.removed(whole, None)
    (point, *_) = removal_scatter(measured, "margin", True, "image", None).data[1].customdata
    assert point[2] == " ± 0.01"


def test_the_shipped_removals_on_cifar10_are_about_the_shipped_scores() -> None:
    """Of the most helpful, which are kept; what random ones do was measured, and is far less."""
    found = evidence.read(results.read(homes.precomputed_home() / "cifar10" / "datamodels"))
    assert found.problems == []
    assert found.removal is not None
    said = quality.removal_verdicts(found.removal, "margin")
    assert "only removals of the most helpful were predicted" in said[0]
    curves = found.removal.tables["curves"].set_index(["choice", "count"])
    helpful, random = (curves.loc[(choice, 50), "measured"] for choice in ("helpful", "random"))
    assert helpful < 10 * random < 0


def test_removal_is_told_with_its_controls(own: Path) -> None:
    targets = results.read(own).targets.index[:12].to_numpy()
    evidenced.removal(own, targets)
    removal = evidence.read(results.read(own)).removal
    assert removal is not None
    said = " ".join(quality.removal_verdicts(removal, "margin"))
    slope = removal.figures.agreement["all"].slope.mean
    assert slope == pytest.approx(0.5, abs=0.02)
    assert f"where 1 was predicted, {slope:.2f} came" in said
    assert "Without the 10 most helpful, **50% (49% to 51%) of the trainings** name another class" in said
    assert "random 2% (1% to 3%), nothing removed 2%" in said
    assert len(quality.removed(removal, 10)) == 24
    assert len(quality.removed(removal, None)) == 48


# --- commands -------------------------------------------------------------------------------------------------------


def parse(command: str) -> None:
    """Raise unless the command line takes these arguments."""
    python, dash, module, *arguments = shlex.split(command)
    assert (python, dash, module) == ("python", "-m", "influence")
    found = typer.main.get_command(app_for(arguments))
    while hasattr(found, "commands"):
        name, *arguments = arguments
        found = found.commands[name]
    found.make_context("test", arguments)


@pytest.mark.parametrize("id_", ["digits/datamodels", "digits/datamodels-lasso", "digits/tracin", "mine"])
@pytest.mark.parametrize("kind", ["lds", "removal", "mislabels"])
def test_every_command_is_one_that_the_command_line_takes(own: Path, id_: str, kind: str) -> None:
    commands = evaluating.commands(listed(id_), kind)
    assert commands
    for command in commands:
        parse(command)
    assert str(Path(commands[-1].split()[5]).name) == listed(id_).path.name


ODD = ["my run", "it's; rm -x", "`a` $HOME", "-x", "naïve"]


@pytest.mark.parametrize("name", ODD)
def test_commands_give_the_shell_the_results_own_name(
    own: Path, name: str, monkeypatch: pytest.MonkeyPatch, results_home: Path
) -> None:
    own.rename(own.parent / name)
    monkeypatch.chdir(results_home)  # a name that begins with a dash is no option
    for kind in ("lds", "removal", "mislabels", "sizes"):
        last = evaluating.commands(listed(name), kind)[-1]
        parse(last)
        assert (Path(shlex.split(last)[5]).resolve()) == results_home / name


def make_store(place: Path, config: OutcomeConfig) -> None:
    """A store of no models."""
    zarr.open_group(str(place), mode="w", attributes={"schema_version": SCHEMA_VERSION, "config": config.as_dict()})


def test_a_stores_path_is_quoted_too(own: Path, results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(shutil.copytree(results_home, results_home.parent / "my results"))
    monkeypatch.setenv("INFLUENCE_RESULTS_DIR", str(home))
    mine = listed("mine")
    store = home / ".outcomes" / "digits-of-mine"
    make_store(store, mine.manifest.config.outcomes)
    (command,) = evaluating.commands(mine, "lds")
    assert shlex.split(command)[5:8] == [str(home / "mine"), "--store", str(store)]


def test_a_store_that_is_there_is_used_and_one_that_is_not_is_collected(own: Path, results_home: Path) -> None:
    mine = listed("mine")
    assert [command.split()[4] for command in evaluating.commands(mine, "lds")] == ["collect", "collect", "lds"]
    store = results_home / ".outcomes" / "digits-of-mine"
    make_store(store, mine.manifest.config.outcomes)
    (command,) = evaluating.commands(mine, "lds")
    assert command.endswith(f"--store {store} --no-ceiling")
    (results_home / ".outcomes" / "digits-of-mine-ceiling").mkdir()
    (command,) = evaluating.commands(mine, "lds")
    assert command.endswith(f"--store {store}")
    make_store(store, mine.manifest.config.outcomes.replace(train_size=100))
    assert len(evaluating.commands(mine, "lds")) == 3


def test_houses_have_no_labels_to_flip() -> None:
    houses = listed("california-housing/tracin")
    assert evaluating.commands(houses, "mislabels") == evaluating.commands(houses, "lds") == []
    assert len(evaluating.commands(houses, "removal")) == 1


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_shipped_digits_are_told_in_plain_words() -> None:
    app = open_page("quality", of="digits/datamodels")
    assert not app.exception
    assert warnings(app) == ""
    found = evidence.read(results.read(DIGITS))
    assert found.lds is not None
    assert f"Explains {found.lds.explained:.0%} of what could be explained" in texts(app)
    assert "It beats neighbours" in texts(app)
    assert "lds" in app.dataframe[0].value.set_index("result").loc["digits/datamodels", "evidence"]
    assert all(note in texts(app) for note in found.lds.notes)


def test_what_was_not_evaluated_says_so_with_the_command(own: Path) -> None:
    app = open_page("quality", of="digits/tracin")
    assert not app.exception
    assert texts(app).count("**Not evaluated**") == 2  # its LDS was
    assert "python -m influence evaluate removal precomputed/digits/tracin" in codes(app)
    houses = open_page("quality", of="california-housing/tracin")
    assert "california-housing has values and no labels to flip" in texts(houses)
    mine = open_page("quality", of="mine")
    assert "From the result’s own manifest" in texts(mine)
    assert any("evaluate mislabels" in line for line in codes(mine))


def test_a_point_opens_its_target(own: Path) -> None:
    targets = results.read(own).targets.index[:12].to_numpy()
    evidenced.removal(own, targets)
    app = open_page("quality", of="mine", find=str(targets[3]), removed="10")
    assert not app.exception
    assert warnings(app) == ""
    assert "24 removals" in texts(app)
    click_point(app, "removals", [float(targets[5]), 10, 0.01])
    assert not app.exception
    assert app.title[0].value == "Images"
    assert f"Test image {targets[5]}" in texts(app)
    assert "result “mine”" in texts(app)
    app.session_state["target to open"] = int(targets[5])  # the browser told the click twice
    app.switch_page("pages/quality.py").run()
    assert not app.exception
    assert app.title[0].value == "Quality"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"of": "gone"}, "The link asks for of=gone"),
        ({"of": "mine", "removed": "3"}, "The link asks for removed=3"),
        ({"of": "mine", "find": "5"}, "The link asks for find=5"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(own: Path, link: dict[str, str], message: str) -> None:
    evidenced.removal(own, results.read(own).targets.index[:12].to_numpy())
    app = open_page("quality", **link)
    assert not app.exception
    assert message in warnings(app)


def test_damage_is_named_and_the_rest_is_shown(own: Path) -> None:
    evidenced.removal(own, results.read(own).targets.index[:12].to_numpy())
    with open(own / "evidence" / "removal" / "effects.parquet", "r+b") as file:
        file.truncate(100)
    app = open_page("quality", of="mine")
    assert not app.exception
    assert "effects.parquet is damaged" in warnings(app)
    assert "**Not evaluated**: whether training without" in texts(app)


def test_houses_are_in_dollars(results_home: Path, no_houses: None) -> None:
    shipped = homes.precomputed_home() / "california-housing" / "tracin"
    copy = Path(shutil.copytree(shipped, results_home / "homes", ignore=shutil.ignore_patterns("checkpoints")))
    palo_alto = np.array(results.read(copy).groups[-1].targets)
    evidenced.removal(copy, palo_alto, has_scale=False, flips=False)
    app = open_page("quality", of="homes", find=str(palo_alto[2]))
    assert not app.exception
    assert "Predicted and measured changes agree at" in texts(app)
    assert "where 1 was predicted" not in texts(app)  # TracIn's predictions have no scale
    assert "name another class" not in texts(app)
    click_point(app, "removals", [float(palo_alto[2]), 10, 0.01])
    assert app.title[0].value == "Houses"
    assert f"House {palo_alto[2]}" in texts(app)


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_sizes_are_a_curve_a_table_and_a_sentence(own: Path) -> None:
    evidenced.sizes(own)
    found = evidence.read(results.read(own)).sizes
    assert found is not None
    table = quality.sizes_table(found.scores)
    assert list(table.columns) == ["none", "50", "100"]
    assert table.loc["lasso", "100"] == "0.400 (0.390 to 0.410)"
    assert table.loc["random"].tolist() == ["0.000 (-0.010 to 0.010)", "–", "–"]
    verdict = quality.sizes_verdict(found.scores)
    assert "with 100 the best is lasso, at 0.400" in verdict
    assert "leads at 1 of 2 numbers of models" in verdict
    app = open_page("quality", of="mine")
    assert not app.exception
    assert "with 100 the best is lasso" in texts(app)


def test_sizes_not_evaluated_say_how(own: Path) -> None:
    assert any(
        code.startswith("python -m influence evaluate scaling ") for code in codes(open_page("quality", of="mine"))
    )
    assert evaluating.commands(listed("digits/tracin"), "sizes") == []
    assert "not fitted" in evaluating.why_none(listed("digits/tracin"), "sizes")
