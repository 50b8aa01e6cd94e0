from __future__ import annotations

import gzip
import logging
import shutil

import pytest

from fmnist_lib.config import DataConfig
from fmnist_lib.data import download as download_module
from fmnist_lib.data import sources
from fmnist_lib.data.files import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_LABELS, sha256_of
from fmnist_lib.data.sources import CHECKSUMS_FILE, default_cache, find_source
from fmnist_lib.errors import DataError

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


def test_with_nothing_in_reach_images_are_generated_loudly(project, cache, caplog):
    with caplog.at_level(logging.WARNING):
        source = find_source(DataConfig(), project, cache, NOWHERE)
    assert (source.origin, source.directory, source.location) == ("synthetic", None, "generated")
    assert "SYNTHETIC DATA" in caplog.text


def test_with_nothing_in_reach_and_no_fallback_it_is_an_error(project, cache):
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
    exists = sources.Path.exists

    def guarded(path):
        if path.parent == cache:
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(sources.Path, "exists", guarded)
    source = find_source(DataConfig(), project, cache, NOWHERE)
    assert source.directory == project / "data" / "fashion-mnist"


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache().is_relative_to(tmp_path)
    assert "fmnist-flow" in default_cache().parts
