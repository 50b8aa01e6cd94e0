from __future__ import annotations

import gzip
import hashlib
import resource
import subprocess
import sys
import threading

import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.data import download as module
from fmnist_lib.data.download import download
from fmnist_lib.data.official_files import FILES, TEST_LABELS, OfficialFile

NAME = "tiny-idx3-ubyte.gz"


@pytest.fixture
def content(rng):
    return gzip.compress(rng.integers(0, 256, 600_000, dtype="uint8").tobytes(), mtime=0)


@pytest.fixture(autouse=True)
def tiny_file(content, monkeypatch):
    """A small official file, without a delay between retries."""
    file = OfficialFile(NAME, len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(FILES, NAME, file)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)


@pytest.fixture
def server(start_server, content):
    server = start_server()
    server.files[NAME] = content
    return server


def _visible(directory):
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def test_a_file_is_fetched_once(server, tmp_path, content):
    directory = tmp_path / "new" / "cache"
    for _ in range(2):
        path = download(NAME, directory, [server.url])
        assert path.read_bytes() == content
    assert len(server.requests) == 1
    assert _visible(directory) == [NAME]


def test_a_broken_connection_is_resumed(server, tmp_path, content):
    server.break_after = [200_000, 100_000]
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content
    assert [wanted for _, wanted in server.requests] == [None, "bytes=200000-", "bytes=300000-"]


def test_many_breaks_are_survived_while_there_is_progress(server, tmp_path, content):
    server.break_after = [60_000] * 8
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content
    assert len(server.requests) == 9


def test_a_later_run_resumes(server, tmp_path, content):
    (tmp_path / f"{NAME}.part").write_bytes(content[:1234])
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content
    assert server.requests == [(NAME, "bytes=1234-")]


def test_a_whole_part_file_needs_no_network(tmp_path, content):
    (tmp_path / f"{NAME}.part").write_bytes(content)
    assert download(NAME, tmp_path, ["http://127.0.0.1:9/"]).read_bytes() == content


@pytest.mark.parametrize("left", [b"rubbish" * 100, b"x" * 1_000_000])
def test_a_wrong_part_file_is_thrown_away(server, tmp_path, content, left):
    (tmp_path / f"{NAME}.part").write_bytes(left)
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content
    assert _visible(tmp_path) == [NAME]


def test_a_server_that_ignores_range_starts_over(server, tmp_path, content):
    server.ranges = False
    (tmp_path / f"{NAME}.part").write_bytes(content[:1000])
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content


def test_a_refused_range_starts_over(server, tmp_path, content, monkeypatch):
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(content[:1000])
    server.status = 416
    monkeypatch.setattr(module.time, "sleep", lambda _: setattr(server, "status", None))
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]


def test_a_server_that_never_makes_progress_is_given_up(server, tmp_path):
    server.ranges = False
    server.break_after = [1000] * 50
    with pytest.raises(DataError, match=r"1000 .*tried 3 times"):
        download(NAME, tmp_path, [server.url])
    assert NAME not in _visible(tmp_path)


@pytest.mark.parametrize("wrong_bytes", [bytes(600_203), b"<html>Log in</html>"])
@pytest.mark.parametrize("announce_length", [True, False])
def test_a_mirror_with_other_bytes_is_passed_over(
    server, start_server, tmp_path, wrong_bytes, announce_length
):
    wrong = start_server()
    wrong.files[NAME] = wrong_bytes
    wrong.announce_length = announce_length
    path = download(NAME, tmp_path, [wrong.url, server.url])
    assert path.read_bytes() == server.files[NAME]
    assert _visible(tmp_path) == [NAME]


def test_a_mirror_that_sends_without_end_is_cut_off(start_server, tmp_path, content):
    wrong = start_server()
    wrong.announce_length = False
    wrong.files[NAME] = content + bytes(5_000_000)
    with pytest.raises(DataError, match="serves other bytes"):
        download(NAME, tmp_path, [wrong.url])
    assert _visible(tmp_path) == []


def test_when_all_mirrors_fail_the_message_has_every_reason(start_server, tmp_path, content):
    gone, broken, other = start_server(), start_server(), start_server()
    broken.status = 503
    other.files[NAME] = bytes(len(content))
    mirrors = [gone.url, broken.url, other.url, "http://127.0.0.1:9/"]
    with pytest.raises(DataError) as caught:
        download(NAME, tmp_path, mirrors)
    message = str(caught.value)
    for expected in [*mirrors, "HTTP 404", "HTTP 503", "serves other bytes", "refused", NAME]:
        assert expected in message
    assert len(gone.requests) == 1
    assert len(broken.requests) == 3
    assert _visible(tmp_path) == []


def test_a_damaged_file_is_replaced(server, tmp_path, content):
    (tmp_path / NAME).write_bytes(content[:-1] + b"?")
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content


def test_a_directory_that_cannot_be_made_is_told(tmp_path, server):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="expected to write the file"):
        download(NAME, tmp_path / "file" / "cache", [server.url])


def test_a_failure_to_write_is_told_and_the_next_try_goes_on(tmp_path, server, content):
    """The limit on a file's size fails a write half-way, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))
    try:
        with pytest.raises(DataError, match=r"expected to write the file.*too large"):
            download(NAME, tmp_path, [server.url])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / NAME).exists()
    assert download(NAME, tmp_path, [server.url]).read_bytes() == content


def test_a_lock_held_too_long_is_told(tmp_path, server, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    with FileLock(tmp_path / f".{NAME}.lock"), pytest.raises(DataError, match="another run"):
        download(NAME, tmp_path, [server.url])


def test_threads_at_once_fetch_once(server, tmp_path, content):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(download(NAME, tmp_path, [server.url])))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == content for path in results] == [True] * 6
    assert len(server.requests) == 1


def test_processes_at_once_fetch_once(start_server, tmp_path, real_data_dir):
    server = start_server()
    server.files[TEST_LABELS] = (real_data_dir / TEST_LABELS).read_bytes()
    code = (
        "import sys; from pathlib import Path; from fmnist_lib.data.download import download;"
        "download(sys.argv[1], Path(sys.argv[2]), [sys.argv[3]])"
    )
    command = [sys.executable, "-c", code, TEST_LABELS, str(tmp_path), server.url]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert (tmp_path / TEST_LABELS).read_bytes() == server.files[TEST_LABELS]
    assert len(server.requests) == 1
