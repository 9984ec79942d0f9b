"""CIFAR-10 through torchvision, which must import beside a CPU-only torch."""

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from influence import InfluenceError, datasets
from influence.datasets import cifar10


@pytest.mark.parametrize("first", ["", "import torch; "])
def test_torchvision_imports_in_a_fresh_process(first):
    code = (
        f"{first}from influence.datasets.cifar10 import import_torchvision as get; one = get(); two = get(); "
        "assert one is two; import torchvision.transforms.v2, torchvision.models; print(one.__version__)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("0.28")


def test_torchvision_works():
    import torch

    torchvision = cifar10.import_torchvision()
    assert torchvision.models.resnet18(num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    from torchvision.transforms import v2

    assert v2.RandomCrop(32, padding=4)(torch.zeros(3, 32, 32)).shape == (3, 32, 32)


@pytest.fixture(scope="module")
def images() -> datasets.Dataset:
    if not cifar10.is_present():
        pytest.skip(f"cifar10 is not in {datasets.data_home()}: run `python -m influence data`")
    return datasets.load(cifar10.NAME)


def test_the_official_images(images):
    for split, n in ((images.train, 50_000), (images.test, 10_000)):
        assert split.inputs.shape == (n, 32, 32, 3)
        assert split.inputs.dtype == np.uint8
        assert split.index.tolist() == list(range(n))
        assert np.bincount(split.labels).tolist() == [n // 10] * 10
    assert [cifar10.CLASSES[label] for label in images.train.labels[:5]] == [
        "frog",
        "truck",
        "truck",
        "deer",
        "automobile",
    ]
    assert [cifar10.CLASSES[label] for label in images.test.labels[:4]] == ["cat", "ship", "ship", "airplane"]


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_one_flipped_byte_is_noticed_before_anything_is_unpickled(images, name, tmp_path: Path, monkeypatch):
    official = datasets.data_home() / "cifar-10-batches-py"
    copy = tmp_path / official.name
    copy.mkdir()
    for path in official.iterdir():
        if path.name != name:
            (copy / path.name).symlink_to(path.resolve())
    shutil.copyfile(official / name, copy / name)
    with open(copy / name, "r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 1]))
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    with pytest.raises(InfluenceError) as caught:
        datasets.load(cifar10.NAME)
    assert str(caught.value) == f"{copy} is damaged: delete it, then run `python -m influence data cifar10`."


def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))

    def offline(*arguments: object, **options: object) -> None:
        assert options["download"]
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr(cifar10.import_torchvision().datasets, "CIFAR10", offline)
    with pytest.raises(InfluenceError) as caught:
        datasets.fetch(cifar10.NAME)
    text = str(caught.value)
    assert text.startswith("cifar10 could not be downloaded")
    assert "connect to the internet" in text
    assert "\n" not in text
