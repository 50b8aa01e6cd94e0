from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from metaflow.cards import get_cards

from flows.shared.runs import find_champion
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.paths import sqlite_address
from fmnist_lib.config.release import TrackingConfig

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_without_data_every_report_says_synthetic(
    project, latest_run, card_content, test_images, tmp_path
):
    """A checkout with no data beside it, an empty cache, and no network access.

    The batch it tests for drift holds real images, which generated ones are not.
    """
    np.save(tmp_path / "batch.npy", test_images[:500])
    checkout = tmp_path / "checkout"
    for folder in ("flows", "cards", "fmnist_lib", "config"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, checkout / folder, ignore=ignore)
    lonely = type(project)(project.directory, root=checkout)
    lonely.environment |= {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        # A proxy that is not there: no request leaves the machine.
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "MLFLOW_TRACKING_URI": sqlite_address(tmp_path / "mlflow.db"),
    }
    arguments = ("run", "--rows", "3000", "--batch", str(tmp_path / "batch.npy"))
    done = lonely.run(*arguments, config=lonely.small_config("synthetic"))
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "SYNTHETIC" in output
    run = latest_run()
    assert "data:synthetic" in run.tags
    steps = (
        "start",
        "eda",
        "search",
        "select",
        "explain",
        "drift",
        "cross_fit",
        "stress",
        "publish",
    )
    for step in steps:
        (card,) = get_cards(run[step].task)
        assert "SYNTHETIC" in str(card_content(card)), step

    report = run["drift"].task.data.drift_report
    assert report.ks.drifted
    assert report.ks.n_current == 500

    from fmnist_lib.registry.store import StoreAddress, client

    mlflow = client(sqlite_address(tmp_path / "mlflow.db"))
    model = mlflow.get_registered_model("fashion-mnist")
    assert "champion" not in model.aliases
    tags = mlflow.get_run(run["publish"].task.data.mlflow_run_id).data.tags
    assert tags["data.origin"] == "synthetic"

    # Neither a lost tag (a resumed run has none until its end) nor an alias set by hand makes it
    # the champion that the monitor trusts.
    run.remove_tag("data:synthetic")
    version = run["publish"].task.data.model_uri.rpartition("/")[2]
    mlflow.set_registered_model_alias("fashion-mnist", "champion", version)
    uri = lonely.environment["MLFLOW_TRACKING_URI"]
    address = StoreAddress(TrackingConfig(), tmp_path, uri)
    assert find_champion(run.id, address).run == run.pathspec
    try:
        found = find_champion(None, address).run
    except DataError:
        found = None
    assert found != run.pathspec
