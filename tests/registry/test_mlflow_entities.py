from __future__ import annotations

from fmnist_lib.registry.mlflow_entities import log_all, metrics


class Recorder:
    def __init__(self):
        self.batches = []

    def log_batch(self, run_id, metrics, params, tags):
        self.batches.append((run_id, len(metrics), len(params), len(tags)))


def test_non_finite_numbers_are_left_out_and_forbidden_characters_replaced():
    logged = metrics({"a b[0]": 1, "missing": None, "nan": float("nan"), "inf": float("inf")})
    assert [(metric.key, metric.value) for metric in logged] == [("a b_0_", 1.0)]


def test_batches_keep_to_the_limits_of_the_server():
    recorder = Recorder()
    values = metrics({f"m{i}": i for i in range(900)})
    params = {f"p{i}": i for i in range(150)}
    log_all(recorder, "run", values, params, {"t": "v"})
    assert recorder.batches == [("run", 800, 100, 1), ("run", 100, 50, 0)]
    assert all(m + p + t <= 1000 for _, m, p, t in recorder.batches)
