"""Files beside a result's tables: their hashes are in the manifest, and `check` compares them."""

import json
import shutil
from pathlib import Path

import pytest

from influence import homes, results
from influence.cli.main import main

SHIPPED = homes.precomputed_home() / "digits" / "tracin"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "result"))


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["influence", "check", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_a_changed_checkpoint_is_noticed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(copy, capsys)[0] == 0
    path = sorted((copy / "checkpoints").iterdir())[1]
    content = bytearray(path.read_bytes())
    for position in (0, len(content) // 2, len(content) - 1):
        content[position] ^= 1
        path.write_bytes(content)
        code, words = checked(copy, capsys)
        assert code == 1
        assert path.name in words
        assert "damaged" in words
        content[position] ^= 1
    path.unlink()
    code, words = checked(copy, capsys)
    assert code == 1
    assert f"{path.name} is missing" in words


def test_older_manifests_are_given_hashes(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = json.loads((copy / "manifest.json").read_text())
    del values["files"], values["manifest_sha256"]
    (copy / "manifest.json").write_text(json.dumps(values))
    code, words = checked(copy, capsys)
    assert code == 0
    assert "no hashes of 6 other files" in words
    tables = {path.name: path.read_bytes() for path in copy.glob("*.parquet")}
    assert results.add_digest(copy)
    assert not results.add_digest(copy)
    assert results.read_manifest(copy).files.keys() == results.read_manifest(SHIPPED).files.keys()
    assert {path.name: path.read_bytes() for path in copy.glob("*.parquet")} == tables
    assert "no hashes" not in checked(copy, capsys)[1]
