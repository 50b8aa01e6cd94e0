from __future__ import annotations

import json
import resource
import stat
import struct
import zipfile

import numpy as np
import pytest

from fmnist_lib.release.archive import BundleError, seal, unpack, verify


@pytest.fixture
def bundle(small_bundle):
    return small_bundle


def test_an_untouched_bundle_is_unchanged_packed_and_unpacked(bundle, tmp_path, fmnist):
    assert fmnist("bundle", "verify", bundle) == (0, "unchanged\n", "")
    assert fmnist("bundle", "unpack", bundle, tmp_path / "out")[0] == 0
    assert fmnist("bundle", "verify", tmp_path / "out") == (0, "unchanged\n", "")
    status, output, _ = fmnist("bundle", "verify", bundle, "--sha256", "0" * 64)
    assert status == 1
    assert f"expected the SHA-256 {'0' * 64}" in output
    status, output, _ = fmnist("bundle", "verify", bundle, "--sha256", "0" * 64, "--json")
    assert status == 1
    report = json.loads(output)
    assert not report["unchanged"]
    assert "expected the SHA-256" in report["problems"][0]


def test_any_flipped_bit_of_the_zip_is_found_and_named(bundle, tmp_path):
    content, path = bundle.read_bytes(), tmp_path / "changed.zip"
    with zipfile.ZipFile(bundle) as archive:
        places = {member.filename: member.header_offset for member in archive.infolist()}
    ends = [*sorted(places.values())[1:], None]
    owner = {start: name for name, start in places.items()}
    regions = list(zip(sorted(places.values()), ends, strict=True))
    rng = np.random.default_rng(7)
    wanted = [(int(rng.integers(start, end)), owner[start]) for start, end in regions[:-1]]
    # The seal, the end record and the directory are part of no file.
    wanted += [(len(content) - int(back), None) for back in rng.integers(1, 3000, 25)]
    for position, name in wanted:
        changed = bytearray(content)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        problems = verify(path)
        assert problems, position
        if name is not None and not any(name in problem for problem in problems):
            # Padding after a packed file: what is unpacked is still the same.
            assert "the zip file's own structure" in problems[0]
            assert _content(path, name) == _content(bundle, name)
    with pytest.raises(BundleError, match=r"changed\.zip: expected an unchanged bundle"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _content(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_any_flipped_bit_of_an_unpacked_bundle_is_found_and_named(bundle, tmp_path):
    unpack(bundle, tmp_path / "out")
    rng = np.random.default_rng(8)
    for file in sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        content = file.read_bytes()
        if not content:
            continue
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        (problem,) = verify(tmp_path / "out")
        assert file.relative_to(tmp_path / "out").as_posix() in problem
        file.write_bytes(content)
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("cut", [1, 100, 5000, 100_000])
def test_a_bundle_cut_short_or_made_longer_is_not_unchanged(bundle, tmp_path, cut):
    content = bundle.read_bytes()
    for name, changed in (("cut", content[:-cut]), ("longer", content + b"x" * cut)):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(changed)
        assert verify(path)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "a/../../outside", "C:\\x", "a\\b", "a//b", "./a", "d/"]
)
def test_names_that_lead_elsewhere_are_refused_though_sealed(name, tmp_path):
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "content")
    seal(path)
    with pytest.raises(BundleError, match="unsafe name"):
        unpack(path, tmp_path / "out" / "deep")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["hostile.zip"]


def test_links_duplicates_and_bombs_are_refused_though_sealed(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for name, members in {
        "not a regular file": [(link, "/etc/passwd")],
        "duplicate name": [("a", "1"), ("a", "2")],
        "bytes in 1 files": [("bomb", b"0" * 2000)],
    }.items():
        monkeypatch.setattr("fmnist_lib.release.archive.MAX_BYTES", 1000)
        path = tmp_path / "hostile.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members:
                archive.writestr(member, content)
        seal(path)
        with pytest.raises(BundleError, match=name):
            unpack(path, tmp_path / "out")


def test_a_bundle_never_goes_into_a_directory_in_use(bundle, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="expected a new or an empty directory"):
        unpack(bundle, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_other_files_and_no_file_are_an_error_without_a_traceback(tmp_path, fmnist):
    (tmp_path / "text.zip").write_bytes(b"text" + struct.pack("<H", 5))
    for path in (tmp_path / "text.zip", tmp_path / "absent.zip"):
        status, output, message = fmnist("bundle", "verify", path)
        assert status == 1
        assert output or message


def test_a_place_that_cannot_be_written_is_not_called_a_changed_bundle(bundle, tmp_path, fmnist):
    (tmp_path / "file").touch()
    status, _, message = fmnist("bundle", "unpack", bundle, tmp_path / "file" / "x")
    assert status == 1
    assert "expected to write the bundle's files there" in message
    assert "unchanged" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_the_directory_as_it_was(exists, bundle, tmp_path):
    if exists:
        (tmp_path / "out").mkdir()
    before = list(tmp_path.rglob("*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Stands in for a full disk: the small files are written, a large one fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(BundleError, match="expected to write the bundle's files there"):
            unpack(bundle, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.rglob("*")) == before


def test_a_bundle_that_may_not_be_read_is_not_called_changed(bundle, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(BundleError, match="expected a readable zip file, got: Permission denied"):
        unpack(bundle, tmp_path / "x")
