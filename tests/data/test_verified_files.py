from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import sha256_of
from fmnist_lib.config.training import DataConfig
from fmnist_lib.data import download as download_module
from fmnist_lib.data.formats.idx import read_labels
from fmnist_lib.data.official_files import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_LABELS
from fmnist_lib.data.verified_files import CHECKSUMS_FILE, default_cache, find_source

NOWHERE = ["http://127.0.0.1:9/"]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(download_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def official(real_data_dir):
    """Put the official files into a directory."""

    def put(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copy(real_data_dir / name, directory / name)
            (directory / name).chmod(0o644)
        return directory

    return put


def _named(directory):
    return DataConfig(directory=str(directory))


def _error(config, project, cache, mirrors=NOWHERE):
    with pytest.raises(DataError) as caught:
        find_source(config, project, cache, mirrors)
    assert not cache.exists() or not [path for path in cache.iterdir() if path.suffix == ".gz"]
    return str(caught.value)


def _write_checksums(directory):
    lines = [f"{sha256_of(directory / name)}  {name}" for name in FILES]
    (directory / CHECKSUMS_FILE).write_text("\n".join(["# by hand", *lines, ""]))


def test_default_places_are_asked_in_order(project, cache, official):
    places = [
        project.parent / "shared" / "fashion-mnist",
        project / "data" / "fashion-mnist",
        cache,
    ]
    for place in places:  # from the last resort to the first choice
        official(place)
        source = find_source(DataConfig(), project, cache, NOWHERE)
        assert source.directory == place
        assert source.origin == "official"
        assert source.checksums == {name: file.sha256 for name, file in FILES.items()}


def test_an_incomplete_default_place_is_skipped(project, cache, official):
    official(project / "data" / "fashion-mnist")
    official(cache)
    (cache / TEST_LABELS).unlink()
    source = find_source(DataConfig(), project, cache, NOWHERE)
    assert source.directory == project / "data" / "fashion-mnist"


def test_a_damaged_default_file_is_an_error_not_a_reason_to_look_elsewhere(
    project, cache, official
):
    damaged = official(project / "data" / "fashion-mnist") / TRAIN_LABELS
    official(project.parent / "shared" / "fashion-mnist")
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)
    message = _error(DataConfig(), project, cache)
    assert str(damaged) in message
    assert FILES[TRAIN_LABELS].sha256 in message
    assert "Delete it" in message


def test_other_data_in_a_default_place_are_refused(project, cache, custom_dir):
    shutil.copytree(custom_dir, project / "data" / "fashion-mnist")
    assert "official file" in _error(DataConfig(), project, cache)


def test_download_fills_the_cache_and_only_what_is_missing(
    project, cache, start_server, real_data_dir
):
    server = start_server()
    server.files = {name: (real_data_dir / name).read_bytes() for name in FILES}
    cache.mkdir()
    (cache / TEST_IMAGES).write_bytes(server.files[TEST_IMAGES])
    source = find_source(DataConfig(), project, cache, [server.url])
    assert (source.origin, source.directory) == ("official", cache)
    assert sorted(name for name, _ in server.requests) == sorted(set(FILES) - {TEST_IMAGES})


def test_without_a_source_images_are_generated_with_a_warning(project, cache, caplog):
    with caplog.at_level(logging.WARNING):
        source = find_source(DataConfig(), project, cache, NOWHERE)
    assert (source.origin, source.directory, source.location) == ("synthetic", None, "generated")
    assert "SYNTHETIC DATA" in caplog.text


def test_without_a_source_and_without_fallback_it_is_an_error(project, cache):
    message = _error(DataConfig(synthetic_fallback=False), project, cache)
    for expected in [str(cache), str(project / "data" / "fashion-mnist"), NOWHERE[0]]:
        assert expected in message


def test_a_named_directory_that_is_missing_never_falls_through(project, cache, official):
    official(cache)
    with pytest.raises(DataError, match="expected a directory"):
        find_source(_named(project / "nowhere"), project, cache, NOWHERE)


def test_a_file_named_as_directory(project, cache, custom_dir):
    assert "expected a directory" in _error(_named(custom_dir / TEST_LABELS), project, cache)


def test_a_named_directory_with_files_missing_names_them(project, cache, custom_dir):
    (custom_dir / TEST_LABELS).unlink()
    (custom_dir / TRAIN_LABELS).unlink()
    message = _error(_named(custom_dir), project, cache)
    assert TEST_LABELS in message
    assert TRAIN_LABELS in message
    assert TEST_IMAGES not in message


def test_official_files_in_a_named_directory_are_official(project, cache, real_data_dir):
    assert find_source(_named(real_data_dir), project, cache).origin == "official"


def test_other_data_in_a_named_directory_are_custom(project, cache, custom_dir):
    source = find_source(_named(custom_dir), project, cache)
    assert source.origin == "custom"
    assert source.checksums[TEST_LABELS] == sha256_of(custom_dir / TEST_LABELS)


def test_unpacked_files_are_found(project, cache, custom_dir):
    for name in FILES:
        packed = custom_dir / name
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    source = find_source(_named(custom_dir), project, cache)
    assert source.paths[TEST_LABELS].name == "t10k-labels-idx1-ubyte"
    assert "t10k-labels-idx1-ubyte" in source.checksums


def _unpack(path):
    return gzip.decompress(path.read_bytes())


RENAMED = {
    "gunzip": lambda name: name.removesuffix(".gz"),
    "Kaggle": lambda name: name.removesuffix(".gz").replace("-idx", ".idx"),
    "a browser that unpacks": lambda name: name,
    "upper case": lambda name: name.removesuffix(".gz").upper(),
    "underscores": lambda name: name.removesuffix(".gz").replace("-", "_"),
    "another copy": lambda name: f"{name.removesuffix('.gz')} (1)",
    "an archive's folders": lambda name: f"{name.removesuffix('.gz')}/{name.removesuffix('.gz')}",
    "any name": lambda name: f"{name[0]}{name[6]}.bin",
}


@pytest.mark.parametrize("style", RENAMED)
@pytest.mark.parametrize("named", [True, False])
def test_renamed_official_files_are_recognised_by_content(
    project, cache, official, style, named, caplog
):
    directory = official(project / "data" / "fashion-mnist")
    for name in (TEST_IMAGES, TEST_LABELS):
        content = _unpack(directory / name)
        (directory / name).unlink()
        target = directory / RENAMED[style](name)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    source = find_source(_named(directory) if named else DataConfig(), project, cache, NOWHERE)
    assert (source.origin, source.directory) == ("official", directory)
    assert source.paths[TEST_LABELS] == directory / RENAMED[style](TEST_LABELS)
    assert source.checksums[source.paths[TEST_LABELS].name] == FILES[TEST_LABELS].unpacked_sha256
    assert "official content, but unpacked, renamed or recompressed" in caplog.text
    np.testing.assert_array_equal(
        read_labels(source.paths[TEST_LABELS]), _unpack_labels(official(project / "x"))
    )


def _unpack_labels(directory):
    return np.frombuffer(_unpack(directory / TEST_LABELS), np.uint8)[8:]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("ending", [".gz", ".gz.gz", ".GZ"])
@pytest.mark.parametrize("named", [True, False])
def test_files_compressed_anew_are_official(project, cache, official, layers, ending, named):
    directory = official(project / "data" / "fashion-mnist")
    for name in (TEST_IMAGES, TEST_LABELS):
        content = _unpack(directory / name)
        (directory / name).unlink()
        for _ in range(layers):
            content = gzip.compress(content, compresslevel=1)
        (directory / f"{name.removesuffix('.gz')}{ending}").write_bytes(content)
    source = find_source(_named(directory) if named else DataConfig(), project, cache, NOWHERE)
    assert source.origin == "official"
    assert len(read_labels(source.paths[TEST_LABELS])) == 10_000


def test_a_second_copy_is_accepted_if_it_is_official_or_not_needed(project, cache, official):
    directory = official(project / "data" / "fashion-mnist")
    (directory / "t10k-labels-idx1-ubyte (1).gz").write_bytes(b"cut short")
    paths = find_source(DataConfig(), project, cache, NOWHERE).paths
    assert paths[TEST_LABELS] == directory / TEST_LABELS
    (directory / TEST_LABELS).rename(directory / "t10k-labels-idx1-ubyte (2).gz")
    paths = find_source(DataConfig(), project, cache, NOWHERE).paths
    assert paths[TEST_LABELS].name == "t10k-labels-idx1-ubyte (2).gz"


def test_two_files_that_could_be_the_same_are_refused(project, cache, custom_dir):
    content = _unpack(custom_dir / TEST_LABELS)
    (custom_dir / TEST_LABELS).unlink()
    names = ["t10k-labels.idx1-ubyte", "T10K-LABELS-IDX1-UBYTE"]
    for name in names:
        (custom_dir / name).write_bytes(content)
    message = _error(_named(custom_dir), project, cache)
    assert all(name in message for name in names)
    (custom_dir / names[1]).unlink()
    assert find_source(_named(custom_dir), project, cache).origin == "custom"


@pytest.mark.parametrize("fallback", [True, False])
def test_the_fallback_to_generated_images_names_similar_files(
    project, cache, official, fallback, caplog
):
    directory = official(project / "data" / "fashion-mnist")
    (directory / TEST_LABELS).rename(directory / "my-test-labels.zip")
    (directory / "my-test-labels.zip").write_bytes(b"cut")
    (directory / "t10k-labels-idx1.bak").write_bytes(b"cut")
    said = "3 of the 4 files, no t10k-labels-idx1-ubyte.gz; other files there: t10k-labels-idx1.bak"
    if fallback:
        assert find_source(DataConfig(), project, cache, NOWHERE).origin == "synthetic"
        text = next(one.getMessage() for one in caplog.records if "SYNTHETIC" in one.msg)
        assert said in text
        assert "my-test-labels.zip" in text
    else:
        assert said in _error(DataConfig(synthetic_fallback=False), project, cache)
    assert said in _error(_named(directory), project, cache)


def test_renamed_files_of_other_data_in_a_default_place_are_refused(project, cache, custom_dir):
    shutil.copytree(custom_dir, project / "data" / "fashion-mnist")
    for name in FILES:
        path = project / "data" / "fashion-mnist" / name
        path.with_name(name.removesuffix(".gz").replace("-idx", ".idx")).write_bytes(_unpack(path))
        path.unlink()
    assert "official file" in _error(DataConfig(), project, cache)


def test_the_checksums_of_unpacked_files_are_right(real_data_dir):
    for name in (TEST_IMAGES, TEST_LABELS, TRAIN_LABELS):
        content = _unpack(real_data_dir / name)
        file = FILES[name]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            file.unpacked_size,
            file.unpacked_sha256,
        )


def test_a_relative_directory_starts_where_the_user_is(project, cache, custom_dir, monkeypatch):
    monkeypatch.chdir(custom_dir.parent)
    assert find_source(_named("custom"), project, cache).directory == custom_dir


def test_matching_checksums_are_accepted(project, cache, custom_dir):
    _write_checksums(custom_dir)
    assert find_source(_named(custom_dir), project, cache).origin == "custom"


@pytest.mark.parametrize("style", ["  {}", " *{}", "  ./{}"])
def test_a_changed_file_breaks_its_checksum(project, cache, custom_dir, style):
    checksum = sha256_of(custom_dir / TEST_LABELS).upper()
    (custom_dir / CHECKSUMS_FILE).write_text(checksum + style.format(TEST_LABELS))
    assert find_source(_named(custom_dir), project, cache).origin == "custom"
    content = bytearray((custom_dir / TEST_LABELS).read_bytes())
    content[40] ^= 1
    (custom_dir / TEST_LABELS).write_bytes(content)
    message = _error(_named(custom_dir), project, cache)
    assert str(custom_dir / TEST_LABELS) in message
    assert CHECKSUMS_FILE in message


@pytest.mark.parametrize("content", [b"rubbish", b"abc  " + TEST_LABELS.encode(), b"\xff\xfe\x00"])
def test_an_unreadable_list_of_checksums_is_an_error(project, cache, custom_dir, content):
    (custom_dir / CHECKSUMS_FILE).write_bytes(content)
    assert CHECKSUMS_FILE in _error(_named(custom_dir), project, cache)


def test_a_directory_in_place_of_a_file(project, cache, custom_dir):
    (custom_dir / TEST_LABELS).unlink()
    (custom_dir / TEST_LABELS).mkdir()
    assert TEST_LABELS in _error(_named(custom_dir), project, cache)


def test_a_place_that_may_not_be_looked_into_counts_as_absent(
    project, cache, official, monkeypatch
):
    official(project / "data" / "fashion-mnist")
    exists = Path.exists

    def guarded(path):
        if path.parent == cache:
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", guarded)
    source = find_source(DataConfig(), project, cache, NOWHERE)
    assert source.directory == project / "data" / "fashion-mnist"


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache().is_relative_to(tmp_path)
    assert "fmnist-flow" in default_cache().parts
