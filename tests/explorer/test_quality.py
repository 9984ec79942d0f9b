"""The quality page: its verdicts follow from the figures, and what was not measured says how to."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import typer
import zarr

from influence import evidence, homes, jobs, library, results
from influence.cli.main import app_for
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.outcomes.store import SCHEMA_VERSION
from influence.evidence import RemovalEvidence
from influence.evidence.removal import Agreement
from influence.explorer import evaluating, verdicts
from influence.explorer.parts.theme import LIGHT
from influence.explorer.quality import charts, legend
from influence.explorer.quality import words as quality
from influence.explorer.quality.charts import removal_scatter
from influence.explorer.text import sentence
from influence.explorer.verdicts import Judged
from influence.library import Entry
from influence.results import Interval
from tests.explorer import evidenced
from tests.explorer.pages import click, click_point, codes, grid, ids, open_page, texts, warnings

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


def with_agreement(removal: RemovalEvidence, agreement: dict[str, dict[str, Agreement]]) -> RemovalEvidence:
    figures = removal.figures.model_copy(update={"agreement_by_count": agreement})
    return replace(removal, manifest=removal.manifest.model_copy(update={"figures": figures}))


# --- verdicts -------------------------------------------------------------------------------------------------------


def test_lds_is_told_as_a_share_of_what_could_be_explained() -> None:
    text = quality.lds_verdict(judged())
    assert "**Explains 50% of what could be explained**" in text  # 0.4 of the root of 0.64
    assert "about 0.80" in text
    assert "no noise ceiling" in quality.lds_verdict(judged(None))
    common = quality.lds_verdict(judged(common=True))  # the subset settles everything: no ceiling of noise
    assert "could be explained" not in common
    assert "share their initial weights" in common
    repeats = replace(judged(None, common=True), repeatable=estimate(0.998))
    text = quality.lds_verdict(repeats)
    assert "they agree at 0.998" in text
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


def removal_of(own: Path) -> RemovalEvidence:
    evidenced.removal(own, results.read(own).targets.index[:12].to_numpy())
    found = evidence.read(results.read(own)).removal
    assert found is not None
    return found


def test_changes_that_are_lost_in_noise_are_inconclusive(own: Path) -> None:
    whole = removal_of(own)
    assert not any("Inconclusive" in each for each in quality.removal_verdicts(whole, "margin"))
    flat = {"all": whole.agreement_of(10)["all"].model_copy(update={"spearman": estimate(0.0)})}
    clear = with_agreement(whole, {"1": flat, "10": flat})
    assert not any("Inconclusive" in each for each in quality.removal_verdicts(clear, "margin"))  # small, but sure
    effects = whole.tables["effects"].assign(error=np.float32(10))
    noisy = replace(clear, tables={**whole.tables, "effects": effects})
    said = " ".join(quality.removal_verdicts(noisy, "margin", 10))
    assert "**Inconclusive**: 100% of the measured changes" in said
    assert "its error 10, in margin" in said


def test_removals_that_are_not_predicted_are_said_to_be_none(own: Path) -> None:
    """And a removal that was trained once has no error to show."""
    whole = removal_of(own)
    known = {"10": {"all": whole.agreement_of(10)["all"], "helpful": whole.agreement_of(10)["helpful"]}}
    said = quality.removal_verdicts(with_agreement(whole, known), "margin", 10)
    assert "Other removals were not predicted." in said[0]
    effects = whole.tables["effects"]
    once = effects.assign(
        error=np.float32(np.nan), predicted=effects["predicted"].where(effects["choice"] == "helpful")
    )
    shown = quality.removed(replace(whole, tables={**whole.tables, "effects": once}), None)
    assert set(shown["choice"]) == {"helpful"}
    drawn = removal_scatter(shown, "margin", True, "image", None, LIGHT)
    assert [look.name for look in drawn.key] == ["most helpful", "as predicted"]
    assert drawn.figure.data[1].customdata[0] == [int(shown["target"][0]), int(shown["count"][0]), ""]
    measured = removal_scatter(quality.removed(whole, None), "margin", True, "image", None, LIGHT)
    (point, *_) = measured.figure.data[1].customdata
    assert point[2] == " ± 0.01"


def test_agreement_is_never_pooled_over_numbers_of_removals(own: Path) -> None:
    """Removals of 1 and of 10 agree for being few and many; the text follows the number that is chosen."""
    whole = removal_of(own)
    ten, both = (quality.removal_verdicts(whole, "margin", count) for count in (10, None))
    assert f"agree at {whole.agreement_of(10)['helpful'].spearman.mean:.2f}" in ten[0]
    assert "Without the 10 most helpful" in ten[0]
    assert not any("Without the 1 most helpful" in each for each in ten)
    assert [each.startswith(f"**Without the {count} most helpful") for each, count in zip(both, (1, 10), strict=False)]
    pooled = f"agree at {whole.agreement['all'].spearman.mean:.2f}"
    assert all(pooled not in each for each in (*ten, *both))
    older = with_agreement(whole, {})
    assert "evaluate again" in quality.removal_verdicts(older, "margin")[0]


@pytest.mark.parametrize(
    ("trained", "is_common", "said"),
    [
        (1, True, "one training with the initial weights and the order of the training on everything"),
        (1, False, "one training with a seed of its own"),
        (10, False, "the mean of 10 trainings with seeds of their own"),
        (10, None, "the mean of 10 trainings."),
    ],
)
def test_seeds_are_told_as_they_were(own: Path, trained: int, is_common: bool | None, said: str) -> None:
    whole = removal_of(own)
    effects = whole.tables["effects"].assign(trained=np.int32(trained))
    figures = whole.figures.model_copy(update={"is_common": is_common})
    changed = replace(
        whole,
        tables={**whole.tables, "effects": effects},
        manifest=whole.manifest.model_copy(update={"figures": figures}),
    )
    assert said in quality.how_trained(changed, 10)


def test_the_shipped_removals_on_cifar10_are_about_the_shipped_scores() -> None:
    """Of the most helpful, which are kept; what random ones do was measured, and is far less."""
    found = evidence.read(results.read(homes.precomputed_home() / "cifar10" / "datamodels"))
    assert found.problems == []
    assert found.removal is not None
    (ten, fifty) = (quality.removal_verdicts(found.removal, "margin", count)[0] for count in (10, 50))
    assert "agree at 0.63" in ten
    assert "agree at 0.79" in fifty
    assert "one training with the initial weights" in quality.how_trained(found.removal, 10)
    curves = found.removal.tables["curves"].set_index(["choice", "count"])
    helpful, random = (curves.loc[(choice, 50), "measured"] for choice in ("helpful", "random"))
    assert helpful < 10 * random < 0


def test_removal_is_told_with_its_controls(own: Path) -> None:
    removal = removal_of(own)
    said = " ".join(quality.removal_verdicts(removal, "margin", 10))
    slope = removal.agreement_of(10)["helpful"].slope.mean
    assert slope == pytest.approx(0.5, abs=0.02)
    assert f"where 1 was predicted, {slope:.2f} came" in said
    assert "Without the 10 most helpful, **50% (49% to 51%)" in said
    assert "random 2% (1% to 3%), nothing removed 2%" in said
    assert len(quality.removed(removal, 10)) == 24
    assert len(quality.removed(removal, None)) == 48


# --- charts ---------------------------------------------------------------------------------------------------------


def shown_range(axis: Any) -> tuple[float, float]:
    low, high = axis.range
    return float(low), float(high)


def test_no_chart_clips_what_it_shows_or_leaves_a_number_unnamed() -> None:
    shipped = evidence.read(results.read(homes.precomputed_home() / "cifar10" / "datamodels"))
    assert shipped.scaling is not None
    assert shipped.removal is not None
    scores = shipped.scaling.scores
    drawn = charts.scaling_chart(scores, "prior-informed", LIGHT).figure
    low, high = shown_range(drawn.layout.yaxis)
    assert low < scores["low"].min()
    assert high > scores["high"].max()
    assert drawn.layout.xaxis.ticktext == ("50", "100", "250", "500", "1,100")
    left, right = shown_range(drawn.layout.xaxis)
    assert left < np.log10(50) < np.log10(1100) < right
    places = [each.y for each in drawn.layout.annotations]
    assert np.diff(places).min() > 0.05 * (scores["high"].max() - scores["low"].min())  # no label on another
    assert drawn.layout.showlegend is False  # the key stands above
    for what in ("flipped", "measured"):
        curve = charts.removal_curve(shipped.removal.tables["curves"], what, what, LIGHT).figure
        assert curve.layout.xaxis.ticktext == ("10", "50")


def test_the_best_possible_score_is_within_the_chart() -> None:
    drawn = charts.lds_chart(judged(), LIGHT).figure
    low, high = shown_range(drawn.layout.xaxis)
    assert low < 0 < 0.8 < high
    assert "0.80" in drawn.layout.annotations[0].text
    assert legend.html([charts.Look("<b>", "#123456", "circle", "dot")]).count("&lt;b&gt;") == 1


def test_the_key_draws_every_look() -> None:
    for look in charts.choices(LIGHT).values():
        drawn = unquote(legend.html([look]))
        assert look.colour in drawn
        assert look.name in drawn
        assert "M0 7H26" in drawn


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
@pytest.mark.parametrize("kind", ["lds", "removal", "mislabels", "near-copies"])
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
    for kind in ("lds", "removal", "mislabels", "scaling"):
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


def test_the_verdict_comes_first_and_rests_on_figures() -> None:
    app = open_page("quality", of="digits/datamodels")
    assert not app.exception
    assert warnings(app) == ""
    found = evidence.read(results.read(DIGITS))
    assert found.lds is not None
    assert app.header[0].value == verdicts.verdict(listed("digits/datamodels").manifest, found).headline
    assert f"Explains {found.lds.explained:.0%} of what could be explained" in texts(app)
    assert "It beats neighbours" in texts(app)
    assert all(sentence(note) in texts(app) for note in found.lds.notes)
    assert [metric.value for metric in app.metric][:2] == ["0.69 of 0.76", "22%"]


def test_what_was_not_evaluated_says_so_with_the_command(own: Path) -> None:
    app = open_page("quality", of="digits/tracin")
    assert not app.exception
    assert texts(app).count("**Not evaluated**") == 3  # its LDS was
    assert "python -m influence evaluate removal precomputed/digits/tracin" in codes(app)
    assert "python -m influence evaluate near-copies precomputed/digits/tracin" in codes(app)
    houses = open_page("quality", of="california-housing/tracin")
    assert "california-housing has values" in texts(houses)
    mine = open_page("quality", of="mine")
    assert "own run measured this score" in texts(mine)
    assert any("evaluate mislabels" in line for line in codes(mine))


def test_a_point_finds_its_target(own: Path) -> None:
    targets = results.read(own).targets.index[:12].to_numpy()
    evidenced.removal(own, targets)
    app = open_page("quality", of="mine", find=str(targets[3]), removed="10")
    assert not app.exception
    assert warnings(app) == ""
    assert "24 removals" in texts(app)
    click_point(app, "removals", [float(targets[5]), 10, 0.01])
    assert not app.exception
    assert app.title[0].value == "Quality"
    assert app.query_params["find"] == str(targets[5])


def test_the_text_follows_the_number_removed_and_another_result_shows_its_own(own: Path) -> None:
    targets = results.read(own).targets.index[:12].to_numpy()
    evidenced.removal(own, targets)
    app = open_page("quality", of="mine", removed="1", find=str(targets[3]))
    assert app.button_group(key="removed").value == "1"
    assert "Without the 1 most helpful" in texts(app)
    app.button_group(key="removed").set_value("any number").run()
    assert "48 removals" in texts(app)
    assert "Without the 1 most helpful" in texts(app)
    assert "Without the 10 most helpful" in texts(app)
    place = ids(app, "All results")[[row["cells"][0] for row in grid(app, "All results")["items"]].index(HOUSES)]
    click(app, "All results", place)
    assert not app.exception
    assert warnings(app) == ""
    assert app.button_group(key="removed").value == "200"
    assert app.selectbox(key="find").value is None
    assert grid(app, "All results")["selected"] == place


HOUSES = "california-housing/tracin"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"of": "gone"}, "The link asks for of=gone"),
        ({"of": "mine", "removed": "3"}, "The link asks for removed=3"),
        ({"of": "mine", "find": "5"}, "The link asks for find=5"),
        ({"of": "mine", "find": "1e999"}, "The link asks for find=1e999"),
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
    assert "effects.parquet is damaged" in warnings(app).replace("\\", "")
    assert "**Not evaluated**: whether retraining" in texts(app)


def test_houses_are_in_dollars(results_home: Path, no_houses: None) -> None:
    shipped = homes.precomputed_home() / "california-housing" / "tracin"
    copy = Path(shutil.copytree(shipped, results_home / "homes", ignore=shutil.ignore_patterns("checkpoints")))
    palo_alto = np.array(results.read(copy).groups[-1].targets)
    evidenced.removal(copy, palo_alto, has_scale=False, flips=False)
    app = open_page("quality", of="homes", find=str(palo_alto[2]))
    assert not app.exception
    assert "predicted and measured changes agree at" in texts(app)
    assert "where 1 was predicted" not in texts(app)  # TracIn's predictions have no scale
    assert "name another class" not in texts(app)
    click_point(app, "removals", [float(palo_alto[3]), 10, 0.01])
    assert app.query_params["find"] == str(palo_alto[3])


def test_near_copies_are_told_with_accuracy(own: Path) -> None:
    jobs.evaluate("near-copies", own)
    found = evidence.read(results.read(own)).near_copies
    assert found is not None
    app = open_page("quality", of="mine")
    assert not app.exception
    assert f"**{found.figures.concerned} of 360 test images" in texts(app)
    assert found.figures.accuracy is not None
    assert f"{found.figures.accuracy.without:.1%} without those" in texts(app)
    assert app.metric[-1].label == "Near-copies"


# --- scaling --------------------------------------------------------------------------------------------------------


def test_scaling_are_a_curve_a_table_and_a_sentence(own: Path) -> None:
    evidenced.scaling(own)
    found = evidence.read(results.read(own)).scaling
    assert found is not None
    table = quality.scaling_table(found.scores)
    assert list(table.columns) == ["none", "50", "100"]
    assert table.loc["lasso", "100"] == "0.400 (0.390 to 0.410)"
    assert table.loc["random"].tolist() == ["0.000 (−0.010 to 0.010)", "–", "–"]
    verdict = quality.scaling_verdict(found.scores)
    assert "with 100 the best is lasso, at 0.400" in verdict
    assert "leads at 1 of 2 numbers of models" in verdict
    app = open_page("quality", of="mine")
    assert not app.exception
    assert "with 100 the best is lasso" in texts(app)


def test_scaling_not_evaluated_say_how(own: Path) -> None:
    assert any(
        code.startswith("python -m influence evaluate scaling ") for code in codes(open_page("quality", of="mine"))
    )
    assert evaluating.commands(listed("digits/tracin"), "scaling") == []
    assert "not fitted" in evaluating.why_none(listed("digits/tracin"), "scaling")
