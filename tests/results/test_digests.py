"""A manifest ends with a digest of itself, so that any changed byte is noticed."""

import hashlib
import json
import os
import re

import pytest

from influence import InfluenceError, results
from influence.results import manifest_file
from tests.results.small import message, without_digest


@pytest.mark.parametrize("mask", [1, 2, 4, 32, 128, 255])
def test_any_changed_byte_of_a_manifest(folder, mask):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        with pytest.raises(InfluenceError):
            results.read_manifest(folder)
    path.write_bytes(whole)
    results.read(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole + b"\n",
        lambda whole: b" " + whole,
        lambda whole: whole[:-1],
        lambda whole: whole.replace(b"\n", b"\r\n"),
        lambda whole: whole.replace(b'"k": 2', b'"k": 3'),
        lambda whole: whole.replace(b'"k": 2', b'"k":  2'),
        lambda whole: json.dumps(json.loads(whole)).encode(),
        lambda whole: whole.replace(manifest_file.DIGEST.encode(), b"sha256"),
        lambda whole: whole.replace(b'"dataset":', b'"dataset": "other", "dataset":'),
        lambda whole: re.sub(b'(?<="manifest_sha256": ").{64}', lambda found: found[0].upper(), whole),
    ],
    ids=range(10),
)
def test_a_manifest_that_was_edited(folder, change):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(change(whole))
    assert path.read_bytes() != whole
    assert f"{path} is damaged (the SHA-256 at its end" in message(folder)


def test_the_digest_is_that_of_what_stands_before_it(folder):
    content = (folder / "manifest.json").read_bytes()
    before, _, after = content.rpartition(b',\n  "manifest_sha256": ')
    assert after == f'"{hashlib.sha256(before).hexdigest()}"\n}}\n'.encode()
    assert json.loads(content)["manifest_sha256"] == hashlib.sha256(before).hexdigest()


def test_a_manifest_from_before_there_was_a_digest(folder):
    with_digest = (folder / "manifest.json").read_bytes()
    without_digest(folder)
    old = (folder / "manifest.json").read_bytes()
    assert not results.read(folder).manifest.has_digest
    assert results.add_digest(folder)
    assert (folder / "manifest.json").read_bytes() == with_digest
    assert with_digest.startswith(old.removesuffix(b"\n}\n"))
    assert not results.add_digest(folder)
    assert sorted(os.listdir(folder)) == ["influences.parquet", "manifest.json", "targets.parquet", "train.parquet"]


def test_no_digest_is_added_to_what_is_damaged(folder):
    without_digest(folder)
    old = (folder / "manifest.json").read_bytes()
    with open(folder / "train.parquet", "r+b") as file:
        file.truncate(100)
    with pytest.raises(InfluenceError, match=r"train\.parquet is damaged"):
        results.add_digest(folder)
    assert (folder / "manifest.json").read_bytes() == old
