from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import (
    delete_stale_partial_files,
    partial_file,
    sha256_of,
    write_atomically,
)


def test_the_checksum_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_checksum_of_what_is_not_a_file_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="expected a readable file, got"):
        sha256_of(tmp_path / name)


def test_a_file_is_replaced_and_readable_like_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "a", b"first")
    write_atomically(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "plain"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "a", b"before")

    def write():
        with partial_file(tmp_path / "a") as partial:
            partial.symlink_to("/dev/full")
            partial.write_bytes(b"after")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert (tmp_path / "a").read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_only_partial_files_of_dead_processes_are_deleted(tmp_path):
    code = (
        "import os, pathlib, sys\n"
        "from fmnist_lib.common.files import partial_file\n"
        "with partial_file(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_bytes(b'unfinished')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    for name in ("a", "b.c"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    with partial_file(tmp_path / "a") as ours:
        ours.write_bytes(b"")
        delete_stale_partial_files(tmp_path, "a")
        assert ours.exists()
        assert len(list(tmp_path.iterdir())) == 2
        (tmp_path / f".a.{os.getpid()}.part").write_bytes(b"another program")
        delete_stale_partial_files(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {
            ours.name,
            f".a.{os.getpid()}.part",
        }
    delete_stale_partial_files(tmp_path / "absent")
