from __future__ import annotations

from types import SimpleNamespace

import pytest

from cards.client import run_results


class Task(dict):
    """Artifacts of the step `publish`."""

    def __init__(self, **artifacts):
        super().__init__({k: SimpleNamespace(data=one) for k, one in artifacts.items()})


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(run_results, "PROJECT_ROOT", tmp_path)
    return tmp_path


def bundle_of(**artifacts):
    return run_results.bundle_of({"publish": SimpleNamespace(task=Task(**artifacts))})


def test_a_bundle_on_this_machine_is_named_where_it_is(checkout):
    bundle = checkout / "elsewhere.zip"
    bundle.write_bytes(b"here")
    assert bundle_of(bundle_path=str(bundle), bundle=None) == str(bundle)


def test_the_bundle_of_a_run_on_other_machines_is_fetched_once(checkout):
    artifacts = {"bundle_path": "/pod/checkout/bundles/Train-7.zip", "bundle": b"from S3"}
    fetched = checkout / "bundles" / "Train-7.zip"
    assert bundle_of(**artifacts) == str(fetched)
    assert fetched.read_bytes() == b"from S3"
    fetched.write_bytes(b"the copy")
    assert bundle_of(**artifacts) == str(fetched)
    assert fetched.read_bytes() == b"the copy"


def test_a_bundle_that_is_nowhere_keeps_its_path(checkout):
    assert bundle_of(bundle_path="gone.zip", bundle=None) == "gone.zip"
    assert bundle_of(bundle_path="gone.zip") == "gone.zip"
    assert not (checkout / "bundles").exists()
