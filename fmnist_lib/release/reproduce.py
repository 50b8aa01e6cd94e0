"""Check this bundle, evaluate its champion again and compare with the stored predictions.

Run it in an environment made from the bundle's own lock:

    pip install --no-deps --require-hashes -r source/requirements/runtime.txt
    python reproduce.py
    python reproduce.py --retrain

It exits with 0 when every file is the one that was packed and the champion predicts what it
predicted then, and with 1 and the reason otherwise. With --retrain it also fits the champion's
pipeline again, on the bundle's training and validation images, and says how much that differs.
Only a bundle from someone you trust should be run: it runs its own source.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
#: On another processor, or with other threads, BLAS rounds the last bits of float32 differently.
ROUNDING = 1e-4
#: A decision tree may take another turn at such a bit; this share of the images may do so.
TURNED_SHARE = 0.005


def different_files(directory: Path) -> list[str]:
    """Name every file of an unpacked bundle that is changed, missing or too many."""
    content = [_bytes(directory / name) for name in (MANIFEST, SEAL)]
    problems = manifest_problems(*content)
    if problems or content[0] is None:
        return problems
    files = json.loads(content[0])["files"]
    found = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if (path.is_file() or path.is_symlink()) and "__pycache__" not in path.parts
    } - {MANIFEST, SEAL}
    problems += [f"{name}: missing" for name in sorted(files.keys() - found)]
    problems += [f"{name}: not part of the bundle" for name in sorted(found - files.keys())]
    problems += [
        f"{name}: changed"
        for name in sorted(files.keys() & found)
        if _sha256(directory / name) != files[name]
    ]
    return problems


def manifest_problems(manifest: bytes | None, seal: bytes | None) -> list[str]:
    """Say whether the manifest is the one whose SHA-256 stands beside it."""
    missing = [
        f"{name}: missing or damaged"
        for name, content in ((MANIFEST, manifest), (SEAL, seal))
        if content is None
    ]
    if missing or manifest is None:
        return missing
    if seal != f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode():
        return [f"{MANIFEST} or {SEAL}: changed"]
    return []


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _sha256(path: Path) -> str | None:
    if path.is_symlink():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_champion(directory: Path) -> Any:
    """Load the fitted pipeline; its own transformers come from the bundled source."""
    sys.path.insert(0, str(directory / "source"))
    from fmnist_lib.persistence.stored_model import load_model

    # Whoever runs this file already trusts the bundle.
    return load_model(directory / "model", allow_cloudpickle=True, max_mb=float("inf")).pipeline


def load_data(directory: Path, data_dir: str | None) -> dict[str, tuple[Any, Any]]:
    """Load images and labels of every split, from the bundle or from a directory it points to.

    Raises
    ------
    SystemExit
        The bundle only points to them, and the directory is not named or holds other data.
    """
    import numpy as np

    names = ("train", "validation", "test")
    if data_dir is None and (directory / "data" / "README.md").is_file():
        raise SystemExit((directory / "data" / "README.md").read_text(encoding="utf-8"))
    if data_dir is None:
        places = {name: directory / "data" / name for name in names}
        return {
            name: (
                np.load(f"{place}-images.npy", allow_pickle=False),
                np.load(f"{place}-labels.npy", allow_pickle=False),
            )
            for name, place in places.items()
        }
    from fmnist_lib.config import override, validate_settings
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


def compare(champion: Any, directory: Path, test: tuple[Any, Any]) -> tuple[bool, str]:
    """Predict the test images again; say how accurate that is and whether it is the same."""
    import numpy as np

    images, labels = test
    expected, expected_labels = (
        np.load(directory / "predictions" / f"test-{kind}.npy", allow_pickle=False)
        for kind in ("probabilities", "labels")
    )
    found = np.asarray(champion.predict_proba(images), dtype=np.float32)
    accuracy = float((found.argmax(axis=1) == labels).mean())
    before = float((expected_labels == labels).mean())
    difference = np.abs(found - expected).max(axis=1)
    n_turned = int((difference > ROUNDING).sum())
    same = n_turned <= TURNED_SHARE * len(labels) and abs(accuracy - before) <= TURNED_SHARE / 5
    text = (
        f"accuracy {accuracy:.4f} on {len(labels)} test images, {before:.4f} when it was packed; "
        f"{int((found.argmax(axis=1) != expected_labels).sum())} labels differ, probabilities "
        f"differ by at most {difference.max():.1e}"
    )
    return same, text


def retrain(champion: Any, data: dict[str, tuple[Any, Any]]) -> str:
    """Fit the champion's pipeline again from the images; say how much it differs."""
    import numpy as np
    from sklearn.base import clone

    parts = [data[name] for name in ("train", "validation")]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    test_images, test_labels = data["test"]
    again = clone(champion).fit(images, labels).predict_proba(test_images).argmax(axis=1)
    before = champion.predict_proba(test_images).argmax(axis=1)
    gained = int(((again == test_labels) & (before != test_labels)).sum())
    lost = int(((again != test_labels) & (before == test_labels)).sum())
    return (
        f"fitted again on {len(labels)} images: accuracy {(again == test_labels).mean():.4f}, "
        f"{(before == test_labels).mean():.4f} before; {int((again != before).sum())} of "
        f"{len(test_labels)} labels differ, {gained} for the better, {lost} for the worse"
    )


def main() -> int:
    """Run the checks in order; the first that fails ends it."""
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
    # The champion predicted with one thread a library, and another number may round differently.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    champion = load_champion(HERE)
    data = load_data(HERE, options.data_dir)
    same, text = compare(champion, HERE, data["test"])
    sys.stdout.write(f"{'reproduced' if same else 'NOT reproduced'}: {text}\n")
    if options.retrain:
        sys.stdout.write(f"{retrain(champion, data)}\n")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
