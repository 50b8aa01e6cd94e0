"""A quick run in an environment that is unusual in every respect at once."""

from __future__ import annotations

import pytest

from tests.environments import ALL, can_change_user, run_in

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not can_change_user(), reason="needs root and setpriv")
def test_a_run_in_a_strange_place_as_nobody_with_a_notebooks_environment(real_data_dir):
    done = run_in(ALL, real_data_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SYNTHETIC" not in done.stdout + done.stderr
    assert "The run is not in MLflow" not in done.stdout + done.stderr
