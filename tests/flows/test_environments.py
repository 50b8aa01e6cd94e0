"""A small run in an environment that is unusual in every respect at once."""

from __future__ import annotations

import pytest

from tests.environments import ALL, ROOT, can_change_user, run_in
from tests.quick_config import SMALL_TPOT, with_candidate

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not can_change_user(), reason="needs root and setpriv")
def test_a_run_in_a_strange_place_as_nobody_with_a_notebooks_environment(real_data_dir):
    quick = (ROOT / "config" / "quick.toml").read_text()
    # TPOT alone, which keeps files in more places than Optuna: if it fails, so does the run.
    config = with_candidate(quick, SMALL_TPOT).replace("rows = 6000", "rows = 1500")
    done = run_in(ALL, real_data_dir, config)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "SYNTHETIC" not in output
    assert "The run is not in MLflow" not in output
