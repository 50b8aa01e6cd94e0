"""Check this bundle, evaluate its model again and compare with the stored predictions.

Run it in an environment made from the bundle's own lock:

    pip install --no-deps --require-hashes -r source/requirements/runtime.txt
    python reproduce.py
    python reproduce.py --retrain

It exits with 0 when every file is unchanged and the model's predictions are the same, and with 1
and the reason otherwise. With --retrain it also fits the model's pipeline again, on the bundle's
training and validation images, and prints how much the result differs.
Run only a bundle from a source you trust: it runs its own source code.
"""

import sys

# Python puts the script's directory first on its path, and a json.py lying there would be imported
# instead of Python's. os is imported before any script is; pathlib is not.
if __name__ == "__main__":
    import os

    _BUNDLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "")  # noqa: PTH118, PTH120
    _ENVIRONMENT = os.path.join(os.path.realpath(sys.prefix), "")  # noqa: PTH118

    def _is_importable(entry: str) -> bool:
        """Return whether a path entry is outside the bundle or in an environment within it."""
        place = os.path.join(os.path.realpath(entry or os.curdir), "")  # noqa: PTH118
        in_environment = place.startswith(_ENVIRONMENT) and place != _BUNDLE
        return in_environment or not place.startswith(_BUNDLE)

    sys.path[:] = [entry for entry in sys.path if _is_importable(entry)]

import argparse
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
#: On another processor, or with other threads, BLAS rounds the last bits of float32 differently.
ROUNDING = 1e-4
#: Share of images that may differ by more: a decision tree may branch differently on such a bit.
TURNED_SHARE = 0.005
#: Most entries that a message lists.
_LISTED = 5


def different_files(directory: Path) -> list[str]:
    """List every packed file that is changed or missing, and every module added beside one.

    Other files, such as notes or an environment, are allowed: see `other_files`.
    """
    content = [_read_or_none(directory / name) for name in (MANIFEST, SEAL)]
    problems = manifest_problems(*content)
    if problems or content[0] is None:
        return problems
    files = json.loads(content[0])["files"]
    for name in sorted(files):
        problem = _file_problem(directory, name, files[name])
        problems += [f"{name}: {problem}"] if problem else []
    return problems + [
        f"{name}: not part of the bundle, and Python could import it: move it elsewhere"
        for name in _importable(directory, files)
    ]


def other_files(directory: Path) -> list[str]:
    """List the files in an unpacked bundle that were not packed, whole directories by name.

    Returns
    -------
    list of str
        Such as ``environment/ (1204 files)`` and ``notes.txt``; at most five, then how many more.
    """
    packed = {MANIFEST, SEAL, *json.loads((directory / MANIFEST).read_bytes())["files"]}
    packed_in = {parent.as_posix() for name in packed for parent in Path(name).parents}
    found: Counter[str] = Counter()
    for path in _walk(directory):
        name = path.relative_to(directory).as_posix()
        if name in packed or "__pycache__" in path.parts:
            continue
        parents = [parent.as_posix() for parent in reversed(Path(name).parents)]
        outermost = next((parent for parent in parents if parent not in packed_in), None)
        found[f"{outermost}/" if outermost else name] += 1
    names = [
        f"{name} ({count} file{'s'[: count - 1]})" if name.endswith("/") else name
        for name, count in sorted(found.items())
    ]
    more = len(names) - _LISTED
    return names[:_LISTED] + ([f"and {more} more"] if more > 0 else [])


def _walk(directory: Path) -> Iterator[Path]:
    """Yield every file and every link; links to directories are not followed."""
    for place, directories, files in os.walk(directory):
        links = [name for name in directories if (Path(place) / name).is_symlink()]
        yield from (Path(place) / name for name in [*files, *links])


def _importable(directory: Path, files: dict[str, str]) -> list[str]:
    """List every module and package that was added beside the packed files."""
    packed_in = {parent for name in files for parent in Path(name).parents}
    found = [path for place in packed_in for path in _listed(directory / place)]
    extra = {path.relative_to(directory): path for path in found}
    return sorted(
        name.as_posix()
        for name, path in extra.items()
        if name.as_posix() not in files and name not in packed_in
        if _is_module(path) or _is_package(path)
    )


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir()) if directory.is_dir() else []
    except OSError:
        return []


def _is_module(path: Path) -> bool:
    """Return whether Python could import a file, by the endings of every version and system."""
    stem, _, ending = path.name.partition(".")
    extension = ending in ("py", "pyc") or ending.endswith(("so", "pyd"))
    return stem.isidentifier() and extension and not path.is_dir()


def _is_package(path: Path) -> bool:
    """Return whether a directory has an ``__init__``; without one it shadows no other module."""
    names = [child for child in _listed(path) if child.name.startswith("__init__.")]
    return path.name.isidentifier() and any(_is_module(child) for child in names)


def manifest_problems(manifest: bytes | None, seal: bytes | None) -> list[str]:
    """Return what is wrong with the manifest or its SHA-256; empty when they match."""
    missing = [
        f"{name}: missing or damaged"
        for name, content in ((MANIFEST, manifest), (SEAL, seal))
        if content is None
    ]
    if missing or manifest is None:
        return missing
    if seal != f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode():
        return [f"{MANIFEST} or {SEAL}: changed"]
    return _manifest_problem(manifest)


def _manifest_problem(manifest: bytes) -> list[str]:
    """Return what is wrong with an unchanged manifest: its author may be anybody."""
    try:
        files = json.loads(manifest)["files"]
        known = all(isinstance(text, str) for entry in files.items() for text in entry)
        unsafe = [name for name in files if ".." in Path(name).parts or Path(name).is_absolute()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known, unsafe = False, []
    problems = [] if known else [f"{MANIFEST}: not the manifest of a bundle"]
    return problems + [f"{name}: leads out of the bundle" for name in unsafe]


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def _file_problem(directory: Path, name: str, sha256: str) -> str:
    """Return what is wrong with a packed file; empty when it is unchanged."""
    path = directory / name
    steps = [path, *path.parents][: len(Path(name).parts)]
    try:
        if any(step.is_symlink() for step in steps):
            return "changed (a link in place of what was packed)"
        if not path.is_file():
            return "missing"
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if same else "changed"


def copy_source(directory: Path, target: Path) -> Path:
    """Copy only the packed source to the directory that it is imported from."""
    files = json.loads((directory / MANIFEST).read_bytes())["files"]
    for name in files:
        if name.startswith("source/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((directory / name).read_bytes())
    return target / "source"


def load_winner(directory: Path, source: Path) -> Any:
    """Load the fitted pipeline; its own transformers come from the bundled source."""
    sys.path.insert(0, str(source))
    from fmnist_lib.model_files.stored_model import load_model

    # A user who runs this file already trusts the bundle.
    return load_model(directory / "model", allow_cloudpickle=True, max_mb=float("inf")).pipeline


def load_data(directory: Path, data_dir: str | None) -> dict[str, tuple[Any, Any]]:
    """Load images and labels of every split, from the bundle or from a directory it points to.

    Raises
    ------
    SystemExit
        The bundle only points to them, and the directory is not named or holds other data.
    """
    import numpy as np

    data = directory / "data"
    if data_dir is None and (data / "README.md").is_file():
        raise SystemExit((data / "README.md").read_text(encoding="utf-8"))
    if data_dir is None:
        return {
            name: (
                np.load(data / f"{name}-images.npy", allow_pickle=False),
                np.load(data / f"{name}-labels.npy", allow_pickle=False),
            )
            for name in ("train", "validation", "test")
        }
    from fmnist_lib.config.loading import override, validate_settings
    from fmnist_lib.data.dataset import load_dataset

    content = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    settings = override(validate_settings(content, "config.json"), data_dir=data_dir)
    dataset, version = load_dataset(settings.data, directory, settings.seed)
    expected = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["data"]
    if version.fingerprint != expected["fingerprint"]:
        raise SystemExit(
            f"{data_dir}: expected data with the fingerprint {expected['fingerprint']}, got "
            f"{version.fingerprint}. Fetch the version that data/README.md names."
        )
    return {name: (split.images, split.labels) for name, split in dataset.splits.items()}


def compare(winner: Any, directory: Path, test: tuple[Any, Any]) -> tuple[bool, str]:
    """Predict the test images again; return whether they match, and accuracy and differences."""
    import numpy as np

    images, labels = test
    expected, expected_labels = (
        np.load(directory / "predictions" / f"test-{kind}.npy", allow_pickle=False)
        for kind in ("probabilities", "labels")
    )
    found = np.asarray(winner.predict_proba(images), dtype=np.float32)
    accuracy = float((found.argmax(axis=1) == labels).mean())
    before = float((expected_labels == labels).mean())
    difference = np.abs(found - expected).max(axis=1)
    n_different = int((difference > ROUNDING).sum())
    same = n_different <= TURNED_SHARE * len(labels) and abs(accuracy - before) <= TURNED_SHARE / 5
    text = (
        f"accuracy {accuracy:.4f} on {len(labels)} test images, {before:.4f} when it was packed; "
        f"{int((found.argmax(axis=1) != expected_labels).sum())} labels differ, probabilities "
        f"differ by at most {difference.max():.1e}"
    )
    return same, text


def retrain(winner: Any, data: dict[str, tuple[Any, Any]]) -> str:
    """Fit the model's pipeline again from the images; return how much it differs."""
    import numpy as np
    from sklearn.base import clone

    parts = [data[name] for name in ("train", "validation")]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    test_images, test_labels = data["test"]
    again = clone(winner).fit(images, labels).predict_proba(test_images).argmax(axis=1)
    before = winner.predict_proba(test_images).argmax(axis=1)
    gained = int(((again == test_labels) & (before != test_labels)).sum())
    lost = int(((again != test_labels) & (before == test_labels)).sum())
    return (
        f"fitted again on {len(labels)} images: accuracy {(again == test_labels).mean():.4f}, "
        f"{(before == test_labels).mean():.4f} before; {int((again != before).sum())} of "
        f"{len(test_labels)} labels differ, {gained} newly correct, {lost} newly wrong"
    )


def main() -> int:
    """Run the checks in order; stop at the first that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--retrain", action="store_true", help="also fit the pipeline again")
    parser.add_argument("--data-dir", help="the four files, when the bundle only points to them")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    problems = different_files(HERE)
    if problems:
        sys.stdout.write("NOT the packed files:\n  " + "\n  ".join(problems) + "\n")
        return 1
    if others := other_files(HERE):
        sys.stdout.write(f"not packed, and not used: {', '.join(others)}\n")
    # The stored predictions were made with one thread per library; others may round differently.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="bundle-source-") as name:
        return _reproduce(copy_source(HERE, Path(name)), options)


def _reproduce(source: Path, options: argparse.Namespace) -> int:
    winner = load_winner(HERE, source)
    data = load_data(HERE, options.data_dir)
    same, text = compare(winner, HERE, data["test"])
    sys.stdout.write(f"{'reproduced' if same else 'NOT reproduced'}: {text}\n")
    if options.retrain:
        sys.stdout.write(f"{retrain(winner, data)}\n")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
