"""Bundles that are intact, and were made by a stranger."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile

import pytest

from fmnist_lib.release.archive import BundleError, seal, unpack, verify
from fmnist_lib.release.bundle_results import read_results

MANIFESTS = [
    b"null",
    b"[]",
    b'{"files": []}',
    b'{"files": {"a": 1}}',
    b"[" * 100_000,
    b'{"files": {}}',
    b'{"files": {}, "run": 5}',
]


def sealed(path, files):
    """Write a bundle whose checksums are right."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    seal(path)
    return path


def unpacked(directory, manifest):
    directory.mkdir()
    (directory / "manifest.json").write_bytes(manifest)
    digest = hashlib.sha256(manifest).hexdigest()
    (directory / "manifest.sha256").write_text(f"{digest}  manifest.json\n")
    return directory


@pytest.mark.parametrize("manifest", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_foreign_manifest_is_one_message(manifest, tmp_path):
    packed = sealed(tmp_path / "bundle.zip", {"manifest.json": manifest})
    for path in (packed, unpacked(tmp_path / "bundle", manifest)):
        verify(path)
        with pytest.raises(BundleError, match=r"bundle(\.zip)?: expected"):
            read_results(path)


@pytest.mark.parametrize("name", ["/proc/kcore", "../../etc/passwd", "a/../../b"])
def test_a_manifest_leads_to_no_file_outside(name, tmp_path):
    manifest = json.dumps({"files": {name: "0" * 64}}).encode()
    assert verify(unpacked(tmp_path / "bundle", manifest)) == [f"{name}: leads out of the bundle"]


def test_a_name_too_long_for_the_file_system_is_a_problem_of_the_bundle(tmp_path):
    manifest = json.dumps({"files": {"x" * 5000: "0" * 64}}).encode()
    (problem,) = verify(unpacked(tmp_path / "bundle", manifest))
    assert problem.endswith("cannot be read (File name too long)")


def test_a_bundle_of_zeros_is_refused_unread(tmp_path):
    bomb = sealed(tmp_path / "bomb.zip", {f"{n}": bytes(30_000_000) for n in range(3)})
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(BundleError, match="90000000 bytes in 3 files, more than"):
        unpack(bomb, tmp_path / "out")
    large = sealed(tmp_path / "manifest.zip", {"manifest.json": bytes(20_000_000)})
    with large.open("ab") as file:
        file.write(b"no longer sealed")
    assert verify(large)


def test_any_number_of_files_and_a_file_without_a_name_are_refused_at_once(tmp_path):
    many = sealed(tmp_path / "many.zip", {f"{n}": b"" for n in range(20_001)})
    start = time.process_time()
    with pytest.raises(BundleError, match="in 20001 files"):
        unpack(many, tmp_path / "out")
    assert time.process_time() - start < 20
    with zipfile.ZipFile(tmp_path / "nameless.zip", "w") as archive:
        archive.writestr("a", b"")
        # The directory of the zip is written when it is closed.
        archive.infolist()[0].filename = ""
    with pytest.raises(BundleError, match="'': unsafe name"):
        unpack(tmp_path / "nameless.zip", tmp_path / "out")
