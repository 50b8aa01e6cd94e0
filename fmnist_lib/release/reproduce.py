"""Check this bundle, evaluate its champion again and compare with the stored predictions.

Run it in an environment made from the bundle's own lock:

    pip install --no-deps -r source/requirements/runtime.txt
    python reproduce.py

It exits with 0 when every file is the one that was packed and the champion predicts what it
predicted then, and with 1 and the reason otherwise. Only a bundle from someone you trust should
be run: a model in the format cloudpickle can run any code when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MANIFEST = "manifest.json"
#: On another processor, or with other threads, BLAS rounds the last bits of float32 differently.
ROUNDING = 1e-4
#: A decision tree may take another turn at such a bit; this share of the images may do so.
TURNED_SHARE = 0.005


def different_files(directory: Path) -> list[str]:
    """Name every file that is changed, missing or too many."""
    files = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["files"]
    found = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - {MANIFEST}
    problems = [f"{name}: missing" for name in sorted(files.keys() - found)]
    problems += [f"{name}: not part of the bundle" for name in sorted(found - files.keys())]
    problems += [
        f"{name}: changed"
        for name in sorted(files.keys() & found)
        if _sha256(directory / name) != files[name]
    ]
    return problems


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_champion(directory: Path) -> Any:
    """Load the fitted pipeline; its own transformers come from the bundled source."""
    sys.path.insert(0, str(directory / "source"))
    description = json.loads((directory / "model" / "model.json").read_text(encoding="utf-8"))
    file = directory / "model" / description["file"]
    if description["format"] == "skops":
        import skops.io

        return skops.io.load(file, trusted=description["trusted_types"])
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    return cloudpickle.loads(file.read_bytes())


def compare(champion: Any, directory: Path) -> tuple[bool, str]:
    """Predict the test images again; say how accurate that is and whether it is the same."""
    images, labels, expected, expected_labels = (
        np.load(directory / name, allow_pickle=False)
        for name in (
            "data/test-images.npy",
            "data/test-labels.npy",
            "predictions/test-probabilities.npy",
            "predictions/test-labels.npy",
        )
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


def main() -> int:
    """Run the checks in order; the first that fails ends it."""
    sys.dont_write_bytecode = True
    problems = different_files(HERE)
    if problems:
        sys.stdout.write("NOT the packed files:\n  " + "\n  ".join(problems) + "\n")
        return 1
    same, text = compare(load_champion(HERE), HERE)
    sys.stdout.write(f"{'reproduced' if same else 'NOT reproduced'}: {text}\n")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
