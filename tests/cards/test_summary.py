from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from metaflow.cards import Markdown, Table

from cards.summary import summary_card
from fmnist_lib.data.version import DataVersion
from fmnist_lib.release.summary import RunSummary


@pytest.fixture
def make_summary(tmp_path):
    def make(origin="official", **changes):
        champion = {
            "candidate": "fast",
            "engine": "optuna",
            "status": "winner",
            "validation_accuracy": 0.91,
            "accuracy_low": 0.9,
            "accuracy_high": 0.92,
            "validation_log_loss": 0.25,
            "fit_seconds": 48.0,
            "predict_ms_per_image": 0.21,
            "model_mb": 14.2,
            "description": "a kernel",
        }
        failed = dict.fromkeys(champion) | {
            "candidate": "tpot",
            "status": "failed: out of memory",
            "description": "",
        }
        summary = {
            "flow": "FashionMnistTrain",
            "run_id": "1747",
            "user": "ci",
            "created": "2026-01-02 03:04 UTC",
            "seed": 20,
            "data_version": DataVersion(origin, "data", "f" * 64, {}),
            "leaderboard": pd.DataFrame([champion, failed]),
            "metrics": {
                "accuracy": 0.9131,
                "accuracy_low": 0.9074,
                "accuracy_high": 0.9185,
                "n_images": 1e4,
            },
            "confidence": 0.95,
            "confused_pairs": [SimpleNamespace(actual=6, predicted=0, count=97, share=0.097)],
            "confusion": None,
            "drift_verdict": "No drift.",
            "tracked": SimpleNamespace(
                run_id="0" * 32,
                model_name="fashion-mnist",
                model_version="3",
                alias="champion",
                tracking_uri="http://mlflow:5000",
            ),
            "bundle": SimpleNamespace(
                path=tmp_path / "bundles" / "run.zip", sha256="e" * 64, size_bytes=38_400_000
            ),
        }
        return RunSummary(**(summary | changes))

    return make


def _text(components):
    """Return everything the components show, as in the card's JSON."""
    rendered = [component.render() for component in components]
    assert all(part["type"] != "error" for part in rendered)
    return "\n".join(str(part) for part in rendered)


def test_the_card_starts_with_the_accuracy_and_its_interval(make_summary):
    components = summary_card(make_summary())
    assert all(isinstance(component, Markdown | Table) for component in components)
    first, second = (component.render()["source"].strip() for component in components[:2])
    assert first == "# Test accuracy 91.31 %"
    assert second.startswith("95 % interval 90.74 to 91.85 %, 10,000 test images.")


def test_the_card_names_the_run_the_model_and_the_bundle(make_summary):
    text = _text(summary_card(make_summary()))
    for part in (
        "0" * 32,
        "fashion-mnist 3, alias champion",
        "run.zip, 38 MB",
        "e" * 64,
        "out of memory",
        "python reproduce/reproduce.py",
        "--backend-store-uri http://mlflow:5000",
    ):
        assert part in text


def test_synthetic_data_and_a_run_missing_in_mlflow_are_announced(make_summary):
    summary = make_summary("synthetic", tracked=None, tracking_problem="connection refused")
    text = _text(summary_card(summary))
    assert "**SYNTHETIC images, not Fashion-MNIST**" in text
    assert "**Not in MLflow.** connection refused" in text
