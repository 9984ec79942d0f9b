"""What an installed wheel can do, and whether the lists of dependencies say the same."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("INFLUENCE_", "PYTHON"))}
    ended = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what goes into it, without a network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("influence", "pages", "static", ".streamlit"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel")
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that has the wheel, and the dependencies of the one that runs the tests."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install")
    run(*pip, "--no-deps", "--no-index", "--quiet", wheel, cwd=home)
    return python


def test_the_wheel_has_the_package_and_the_explorer_alone(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kinds = (".py", ".svg", ".css", ".js")
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "influence").rglob("*") if path.suffix in kinds}
    pages = {f"influence/_app/pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    static = {f"influence/_app/static/{path.name}" for path in (ROOT / "static").iterdir()}
    assert names == modules | pages | static | {"influence/_app/app.py", "influence/_app/.streamlit/config.toml"}


def test_an_installed_package_works_in_another_folder(python: Path, tmp_path: Path) -> None:
    assert "Usage" in run(python.with_name("influence"), "--help", cwd=tmp_path)
    code = """
import torch
from pathlib import Path
import influence
from influence import Checkpoint, Examples, TracInCP
assert "site-packages" in influence.__file__
model = torch.nn.Linear(2, 1)
half_squares = lambda outputs, labels: (outputs[:, 0] - labels) ** 2 / 2
examples = Examples(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]))
checkpoint = Checkpoint(model.state_dict(), learning_rate=0.5, epoch=1)
found = TracInCP(model, [checkpoint], half_squares).self_influence(examples)
residual = float(model(examples.inputs)[0, 0]) - 3
assert abs(float(found[0]) - 0.5 * residual**2 * (1 + 4 + 1)) < 1e-3 * residual**2, found
"""
    run(python, "-c", code, cwd=tmp_path)


def test_an_installed_explorer_shows_the_results_of_the_current_folder(python: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "precomputed" / "digits" / "datamodels", tmp_path / "results" / "mine")
    code = """
from influence import homes, results, serve
from streamlit.testing.v1 import AppTest
assert "site-packages" in str(serve.script()) and not homes.precomputed_home().exists()
app = AppTest.from_file(str(serve.script()), default_timeout=120).run()
for page in ("images", "houses", "quality", "compare", "outliers"):
    app.switch_page(f"pages/{page}.py").run()
    said = " ".join(each.value for each in (*app.error, *app.info))
    assert not app.exception, page
    if page == "images":
        assert any("result “mine”" in caption.value for caption in app.caption)
    if page == "houses":
        assert "tracin california-housing" in said
    else:
        assert not app.error, (page, said)
"""
    run(python, "-c", code, cwd=tmp_path)


# Dependencies


def requirements(path: Path) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(each.name): each for each in found}


def declared(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def lowest(requirement: Requirement) -> str | None:
    """The version that a requirement names: the tested one, or the lowest."""
    named = [each.version for each in requirement.specifier if each.operator in ("==", ">=")]
    return named[0] if named else None


@pytest.mark.parametrize(
    ("file", "lists"),
    [
        ("requirements.txt", [PROJECT["dependencies"]]),
        ("requirements-dev.txt", list(PROJECT["optional-dependencies"].values())),
    ],
)
def test_requirements_and_project_name_the_same_distributions(file: str, lists: list[list[str]]) -> None:
    tested = requirements(ROOT / file)
    ranges = declared([line for each in lists for line in each])
    ranges.pop(canonicalize_name(PROJECT["name"]), None)  # the extra for developers takes the others along
    assert tested.keys() == ranges.keys()
    for name, requirement in tested.items():
        version = lowest(requirement)
        assert version is None or version in ranges[name].specifier, name


def test_whatever_is_imported_is_declared() -> None:
    known = {module for name in declared(PROJECT["dependencies"]) for module in modules_of(name)}
    optional = {"dask", "distributed"}
    for path in (ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "influence").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in (each.partition(".")[0] for each in names):
                if name in sys.stdlib_module_names or name in ("influence", *optional):
                    continue
                assert name in known, f"{path} imports {name}"


def modules_of(name: str) -> set[str]:
    """What a distribution lets one import."""
    return {file.parts[0].removesuffix(".py") for file in files(name) or () if file.suffix == ".py"}


def test_the_name_is_not_the_one_that_is_taken() -> None:
    assert PROJECT["name"] != "influence"
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"])
