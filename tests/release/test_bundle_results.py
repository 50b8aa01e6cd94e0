from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from fmnist_lib.release.archive import BundleError
from fmnist_lib.release.bundle import write_bundle
from fmnist_lib.release.bundle_results import read_results


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("results") / "run.zip", **contents).path


def test_the_results_are_those_of_the_run(bundle, contents, tmp_path):
    report = contents["report"]
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)
    for place in (bundle, tmp_path):
        results = read_results(place)
        assert results.name == "FashionMnistTrain/1747"
        assert results.settings == report.settings
        assert results.data == report.data_version.splits
        assert results.code["Git commit"] == "0123abc"
        assert "numpy" in results.code
        assert results.winner["candidate"] == "fast"
        np.testing.assert_array_equal(results.labels, report.labels["test"])
        answers = report.test_probabilities.argmax(axis=1)
        np.testing.assert_array_equal(results.predictions, answers)
        np.testing.assert_array_equal(results.images, contents["images"]["test"])


def test_a_changed_bundle_and_one_without_data_are_refused(bundle, contents, tmp_path):
    changed = tmp_path / "changed.zip"
    content = bytearray(bundle.read_bytes())
    content[5000] ^= 1
    changed.write_bytes(content)
    with pytest.raises(BundleError, match="unchanged bundle"):
        read_results(changed)
    settings = contents["report"].settings
    small = settings | {"release": settings["release"] | {"max_data_mb": 0}}
    report = replace(contents["report"], settings=small)
    path = write_bundle(tmp_path / "pointer.zip", **(contents | {"report": report})).path
    with pytest.raises(BundleError, match="only a pointer"):
        read_results(path)
