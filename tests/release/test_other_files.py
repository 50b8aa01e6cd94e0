"""Files in an unpacked bundle that were not packed: allowed, or a module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from fmnist_lib.release.archive import verify
from fmnist_lib.release.bundle import write_bundle

HARMLESS = [
    ".DS_Store",
    "Thumbs.db",
    "notes.txt",
    "data/Thumbs.db",
    "model/notes.md",
    "model/.DS_Store",
    "source/.venv/lib/python3.11/site-packages/numpy/__init__.py",
    "source/mlruns/1/models/m-1/artifacts/code/fmnist_lib/common/labels.py",
    "source/fmnist_lib/__pycache__/labels.cpython-311.pyc",
    "environment/lib/python3.11/site-packages/json.py",
    "my notes/json.py",
    "results/2026/accuracy.csv",
]
MODULES = [
    "json.py",
    "numpy.py",
    "argparse.pyc",
    "__future__.py",
    "fmnist_lib/__init__.py",
    "numpy/__init__.py",
    "source/numpy.py",
    "source/sitecustomize.py",
    "source/fmnist_lib/json.py",
    "source/fmnist_lib/labels.cpython-312-x86_64-linux-gnu.so",
    "source/fmnist_lib/labels/__init__.py",
    "source/flows/sklearn.py",
    "source/config/__init__.py",
    "model/skops.py",
]
OTHERS = ".DS_Store, Thumbs.db, data/Thumbs.db, environment/ (1 file), model/.DS_Store, and 6 more"
RAISES = "raise SystemExit('imported from the bundle')"


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundles") / "run.zip", **contents).path


@pytest.fixture(scope="module")
def pristine(bundle, tmp_path_factory):
    directory = tmp_path_factory.mktemp("pristine") / "reproduce"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(directory)
    return directory


@pytest.fixture
def unpacked(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "reproduce", copy_function=os.link)


def _add(directory, name, text=RAISES):
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)


def _reproduce(directory, *options, python=sys.executable, **variables):
    """Run it as the documentation says: within the directory, by its name."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [python, "reproduce.py", *options],
        cwd=directory,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_other_files_are_reported_and_do_not_fail(unpacked, fmnist):
    for name in HARMLESS:
        _add(unpacked, name)
    assert verify(unpacked) == []
    status, output, _ = fmnist("bundle", "verify", unpacked)
    assert status == 0
    assert output.splitlines() == [
        "unchanged",
        f"not packed, and not used: {OTHERS}",
    ]
    done = _reproduce(unpacked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("not packed, and not used: .DS_Store,")
    assert "\nreproduced: accuracy" in done.stdout


@pytest.mark.parametrize("name", MODULES)
def test_a_module_among_the_packed_files_is_refused_and_not_imported(unpacked, name):
    _add(unpacked, name)
    found = name.removesuffix("/__init__.py") if name.count("__init__") else name
    found = name if name == "source/config/__init__.py" else found
    (problem,) = verify(unpacked)
    assert problem.startswith(f"{found}: not part of the bundle, and Python could import it")
    done = _reproduce(unpacked)
    assert done.returncode == 1
    assert done.stdout == f"NOT the packed files:\n  {problem}\n"
    assert not done.stderr


@pytest.mark.parametrize("path", [".", ""])
def test_a_module_beside_is_not_imported_though_the_environment_names_the_place(unpacked, path):
    _add(unpacked, "tempfile.py")
    done = _reproduce(unpacked, PYTHONPATH=path)
    assert done.stdout.startswith("NOT the packed files:\n  tempfile.py: not part of the bundle")


@pytest.mark.parametrize("module", ["numpy.py", "numpy"])
def test_a_link_to_a_module_is_refused(unpacked, tmp_path, module):
    _add(tmp_path, "elsewhere/numpy.py")
    _add(tmp_path, "elsewhere/numpy/__init__.py")
    (unpacked / "source" / module).symlink_to(tmp_path / "elsewhere" / module)
    (problem,) = verify(unpacked)
    assert problem.startswith(f"source/{module}: not part of the bundle, and Python could")


def test_links_in_place_of_packed_files_are_named(unpacked, pristine, tmp_path):
    (unpacked / "metrics.json").unlink()
    (unpacked / "metrics.json").symlink_to(pristine / "metrics.json")
    shutil.rmtree(unpacked / "predictions")
    (unpacked / "predictions").symlink_to(pristine / "predictions")
    (unpacked / "environment").symlink_to(tmp_path)
    assert [problem.partition(":")[0] for problem in verify(unpacked)] == [
        "metrics.json",
        "predictions/test-labels.npy",
        "predictions/test-probabilities.npy",
    ]


def test_a_stale_compiled_module_is_not_used(unpacked):
    """Python loads bytecode that was compiled from a source of the same size and date."""
    import importlib.util
    import py_compile

    source = unpacked / "source" / "fmnist_lib" / "common" / "labels.py"
    compiled = importlib.util.cache_from_source(str(source))
    text, date = source.read_bytes(), source.stat()
    # Not through the hard link to the fixture's file.
    source.unlink()
    source.write_bytes(RAISES.encode().ljust(len(text)))
    os.utime(source, ns=(date.st_atime_ns, date.st_mtime_ns))
    py_compile.compile(str(source), compiled)
    source.write_bytes(text)
    os.utime(source, ns=(date.st_atime_ns, date.st_mtime_ns))
    done = _reproduce(unpacked)
    assert done.returncode == 0, done.stdout + done.stderr


def test_reproducing_leaves_nothing_behind(unpacked):
    before = sorted(unpacked.rglob("*"))
    assert _reproduce(unpacked).returncode == 0
    assert sorted(unpacked.rglob("*")) == before


def test_the_digest_of_a_directory_is_one_message(unpacked, fmnist):
    status, _, message = fmnist("bundle", "verify", unpacked, "--sha256", "0" * 64)
    assert status == 1
    assert "expected the zip file" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(unpacked):
    (unpacked / "metrics.json").chmod(0)
    try:
        assert verify(unpacked) == ["metrics.json: cannot be read (Permission denied)"]
    finally:
        (unpacked / "metrics.json").chmod(0o644)
