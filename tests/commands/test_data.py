from __future__ import annotations

import json

import numpy as np
import pytest

from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.official_files import (
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)


@pytest.fixture
def directory(train_images, train_labels, tmp_path):
    """Four files in the format of Fashion-MNIST, which are not the official ones."""
    parts = {
        TRAIN_IMAGES: train_images[:1000],
        TRAIN_LABELS: train_labels[:1000],
        TEST_IMAGES: train_images[1000:1200],
        TEST_LABELS: train_labels[1000:1200],
    }
    (tmp_path / "four").mkdir()
    for name, array in parts.items():
        write_idx(tmp_path / "four" / name, array)
    return tmp_path / "four"


def test_the_official_files_are_verified_and_described(real_data_dir, fmnist):
    status, output, _ = fmnist("data", "verify", real_data_dir)
    assert status == 0
    assert output.startswith(f"official Fashion-MNIST in {real_data_dir}\n")
    assert f"{FILES[TEST_LABELS].sha256}  {TEST_LABELS}\n" in output
    assert "test 10000\n" in output


def test_other_data_are_called_so_and_described_as_json(directory, fmnist):
    status, output, _ = fmnist("data", "verify", directory, "--json")
    assert status == 0
    version = json.loads(output)
    assert version["origin"] == "custom"
    assert sum(version["images"].values()) == 1200
    assert set(version["files"]) == set(FILES)
    assert version["dvc"].endswith(".dir")
    assert version["fingerprint"] in fmnist("data", "verify", directory)[1]


def test_a_changed_byte_gives_another_data_version(directory, fmnist):
    before = json.loads(fmnist("data", "verify", directory, "--json")[1])
    labels = np.random.default_rng(0).integers(0, 10, 200, dtype=np.uint8)
    write_idx(directory / TEST_LABELS, labels)
    after = json.loads(fmnist("data", "verify", directory, "--json")[1])
    assert after["fingerprint"] != before["fingerprint"]
    assert after["dvc"] != before["dvc"]
    assert after["splits"]["train"] == before["splits"]["train"]


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_damaged_data_are_one_message(damage, directory, fmnist):
    file = directory / TRAIN_IMAGES
    content = file.read_bytes()
    file.unlink()
    if damage == "cut short":
        file.write_bytes(content[: len(content) // 2])
    status, output, message = fmnist("data", "verify", directory)
    assert (status, output) == (1, "")
    assert message.startswith("Error: ")
    assert TRAIN_IMAGES in message


def test_verifying_downloads_and_generates_nothing(tmp_path, fmnist, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("fmnist_lib.common.paths.PROJECT_ROOT", tmp_path / "place" / "project")
    status, _, message = fmnist("data", "verify")
    assert status == 1
    assert "Name their directory, or run `python -m fmnist_lib data download`" in message
    assert not (tmp_path / "cache").exists()


def test_files_that_are_there_are_not_downloaded_again(real_data_dir, tmp_path, fmnist):
    for name in FILES:
        (tmp_path / name).symlink_to(real_data_dir / name)
    done = fmnist("data", "download", tmp_path)
    assert done == (0, f"official Fashion-MNIST in {tmp_path}\n", "")


def test_the_splits_of_a_configuration_are_written(directory, tmp_path, fmnist):
    config = tmp_path / "mine.toml"
    config.write_text(
        f'[data]\ndirectory = "{directory}"\n'
        '[[search.candidates]]\nid = "a"\nengine = "optuna"\nfamilies = ["logistic"]\n'
    )
    status, output, _ = fmnist("data", "splits", tmp_path / "out.npz", "--config", config)
    assert status == 0
    assert "not the official Fashion-MNIST, fingerprint " in output
    with np.load(tmp_path / "out.npz") as file:
        assert len(file["test_labels"]) == 200


def test_a_wrong_configuration_is_one_message(tmp_path, fmnist):
    arguments = (tmp_path / "out.npz", "--config", tmp_path / "none.toml")
    status, _, message = fmnist("data", "splits", *arguments)
    assert status == 1
    assert "expected a readable TOML or JSON file" in message
    assert not list(tmp_path.iterdir())
