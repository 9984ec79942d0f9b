"""CIFAR-10 through torchvision, which must import beside a CPU-only torch."""

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from influence import Dataset, InfluenceError, Split, datasets, homes
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
        pytest.skip(f"cifar10 is not in {homes.data_home()}: run `python -m influence data`")
    return datasets.load(cifar10.NAME)


def test_the_official_images(images):
    for split, n in ((images.train, 50_000), (images.test, 10_000)):
        assert split.inputs.shape == (n, 32, 32, 3)
        assert split.inputs.dtype == np.uint8
        assert split.index.tolist() == list(range(n))
        assert np.bincount(split.labels).tolist() == [n // 10] * 10
    assert [cifar10.FACTS.classes[label] for label in images.train.labels[:5]] == [
        "frog",
        "truck",
        "truck",
        "deer",
        "automobile",
    ]
    assert [cifar10.FACTS.classes[label] for label in images.test.labels[:4]] == ["cat", "ship", "ship", "airplane"]


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_one_flipped_byte_is_noticed_before_anything_is_unpickled(images, name, tmp_path: Path, monkeypatch):
    official = homes.data_home() / "cifar-10-batches-py"
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
    assert str(caught.value).startswith(f"{copy} is damaged")
    assert "influence data cifar10" in str(caught.value)


def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(cifar10.import_torchvision().datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(InfluenceError) as caught:
        datasets.fetch(cifar10.NAME)
    text = str(caught.value)
    assert text.startswith("cifar10 could not be downloaded")
    assert "connect to the internet" in text
    assert "\n" not in text
    assert os.listdir(tmp_path) == []


CONTENT = bytes(range(256)) * 12_000  # three pieces


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[: len(CONTENT) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


MD5 = hashlib.md5(CONTENT).hexdigest()


def test_a_download_says_how_far_it_is_and_is_not_done_twice(url, tmp_path):
    seen: list[tuple[float, str]] = []
    path = tmp_path / "deep" / "file"
    cifar10._download(f"{url}/whole", path, MD5, lambda *said: seen.append(said))
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file"]
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert seen[-1] == (1.0, "downloading: 3 of 3 MB")
    cifar10._download("http://127.0.0.1:9/", path, MD5, cifar10.silent)  # it is there, so nobody is asked


@pytest.mark.parametrize(
    ("file", "md5", "message"),
    [("half", MD5, "is incomplete or not the official file"), ("whole", "0" * 32, "is incomplete or not the official")],
)
def test_what_is_not_the_official_file_is_not_kept(url, tmp_path, file, md5, message):
    with pytest.raises(InfluenceError, match=message):
        cifar10._download(f"{url}/{file}", tmp_path / "file", md5, cifar10.silent)
    assert os.listdir(tmp_path) == []


def test_a_cancelled_download_leaves_nothing(url, tmp_path):
    def cancel(share: float, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cifar10._download(f"{url}/whole", tmp_path / "file", MD5, cancel)
    assert os.listdir(tmp_path) == []


def test_a_download_into_no_folder_is_one_sentence(url, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InfluenceError, match=r"can't be written to .* set INFLUENCE_DATA_DIR"):
        cifar10._download(f"{url}/whole", tmp_path / "file" / "archive", MD5, cifar10.silent)


def test_fetching_goes_from_bytes_to_the_copy(tmp_path, monkeypatch):
    """With the download, torchvision's reading and the copying replaced: what is said, in which order."""
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    calls = []

    class Files:
        url, filename, tgz_md5 = "http://somewhere/archive", "archive", "0" * 32

        def __init__(self, root: str, train: bool, download: bool = False) -> None:
            if not download:
                raise RuntimeError("Dataset not found or corrupted.")
            calls.append("unpack")

    def download(url: str, path: Path, md5: str, report: Callable[[float, str], None]) -> None:
        calls.append(f"{url} {path.name}")
        for done in (0, 50, 100):
            report(done / 100, f"downloading: {done} of 100 MB")

    monkeypatch.setattr(cifar10.import_torchvision().datasets, "CIFAR10", Files)
    monkeypatch.setattr(cifar10, "_download", download)
    monkeypatch.setattr(cifar10, "prepare", lambda: calls.append("copy"))
    said: list[tuple[float, str]] = []
    datasets.fetch(cifar10.NAME, lambda *each: said.append(each))
    assert calls == ["http://somewhere/archive archive", "unpack", "copy"]
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert (0.45, "downloading: 50 of 100 MB") in said


# The copy that can be mapped


def test_the_mapped_images_are_the_official_ones(images):
    mapped = datasets.mapped(cifar10.NAME)
    assert mapped.content_hash == cifar10._CONTENT_HASH == images.content_hash
    for here, there in ((mapped.train, images.train), (mapped.test, images.test)):
        assert isinstance(here.inputs, np.memmap)
        assert not here.inputs.flags.writeable
        assert np.array_equal(here.inputs, there.inputs)
        assert np.array_equal(here.labels, there.labels)
        assert np.array_equal(here.index, there.index)
    part = datasets.mapped(cifar10.NAME, ("cat", "dog"), 100)
    assert part.content_hash == datasets.load(cifar10.NAME, ("cat", "dog"), 100).content_hash


def test_opening_the_copy_takes_no_torch(images):
    datasets.mapped(cifar10.NAME)
    code = "import sys; from influence import datasets; datasets.mapped('cifar10'); print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "False\n", ended.stderr


def test_damaged_files_are_one_sentence_from_the_other_process_too(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"no batch")
    with pytest.raises(InfluenceError) as caught:
        datasets.mapped(cifar10.NAME)
    assert str(caught.value).startswith(f"{folder} is damaged")
    assert "influence data cifar10" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Makes the data set small and the copy in this process; counts how often that was made."""
    rng = np.random.default_rng(0)
    train, test = (
        Split(
            np.arange(n, dtype=np.int32),
            rng.integers(256, size=(n, 32, 32, 3), dtype=np.uint8),
            rng.integers(10, size=n),
        )
        for n in (7, 3)
    )
    dataset = Dataset(cifar10.FACTS, train, test)
    made = []
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(cifar10, "is_present", lambda: True)
    monkeypatch.setattr(cifar10, "load", lambda: made.append(1) or dataset)
    monkeypatch.setattr(cifar10, "_prepare_elsewhere", cifar10.prepare)
    monkeypatch.setattr(cifar10, "_N_TRAIN", 7)
    monkeypatch.setattr(cifar10, "_N_TEST", 3)
    monkeypatch.setattr(cifar10, "_CONTENT_HASH", dataset.content_hash)
    return lambda: len(made)


@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_the_copy_stands_in_the_data_folder_or_in_the_cache(little, tmp_path, mode):
    (tmp_path / "data").chmod(mode)
    first, second = cifar10.mapped(), cifar10.mapped()
    assert little() == 1
    assert first.test.inputs.tolist() == second.test.inputs.tolist() == cifar10.load().test.inputs.tolist()
    home = tmp_path / "data" if mode == 0o755 else tmp_path / "cache" / "influence"
    assert os.listdir(home) == ["cifar10-pixels"]
    assert (os.listdir(tmp_path / "data") == []) == (mode == 0o555)


@pytest.mark.parametrize("harm", ["cut", "gone", "other", "pickled"])
def test_a_copy_that_is_damaged_is_made_again(little, tmp_path, harm):
    cifar10.mapped()
    images = tmp_path / "data" / "cifar10-pixels" / "images.npy"
    if harm == "cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif harm == "gone":
        images.unlink()
    elif harm == "pickled":
        np.save(images, np.array([{}], dtype=object), allow_pickle=True)
    else:
        (images.parent / "content_hash").write_text("0" * 64)
    assert cifar10.mapped().train.inputs.shape == (7, 32, 32, 3)
    assert little() == 2
    assert os.listdir(images.parent.parent) == ["cifar10-pixels"]
    assert sorted(os.listdir(images.parent)) == ["content_hash", "images.npy", "labels.npy"]


def test_many_may_make_it_at_once(little, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_first_mapped", lambda: None)  # as if none had been there when each of them looked
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cifar10.prepare(), range(32)))
    assert little() == 32
    assert os.listdir(tmp_path / "data") == ["cifar10-pixels"]
    assert cifar10._map(tmp_path / "data" / "cifar10-pixels") is not None


def test_no_place_for_the_copy_is_one_sentence(little, tmp_path, monkeypatch):
    (tmp_path / "data").chmod(0o555)
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.raises(InfluenceError, match="cifar10-pixels failed") as caught:
        cifar10.mapped()
    assert "\n" not in str(caught.value)
