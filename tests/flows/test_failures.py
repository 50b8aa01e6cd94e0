"""A user's mistake gives one message and exit code 1, and leaves no partial results."""

from __future__ import annotations

import os

import pytest
from metaflow.cards import get_cards

pytestmark = pytest.mark.slow


@pytest.fixture
def small_data(tmp_path, test_images, test_labels):
    """A valid directory of other data in the four-file format."""
    from fmnist_lib.data.formats.idx import write_idx

    directory = tmp_path / "small"
    directory.mkdir()
    for part, rows in (("train", slice(0, 1500)), ("t10k", slice(1500, 2000))):
        write_idx(directory / f"{part}-images-idx3-ubyte.gz", test_images[rows])
        write_idx(directory / f"{part}-labels-idx1-ubyte.gz", test_labels[rows])
    return directory


def test_damaged_data_end_the_run_with_one_message_and_a_card(
    project, small_data, latest_run, card_content
):
    file = small_data / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:5000])
    done = project.run("run", "--data-dir", str(small_data), "--rows", "1500")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "DataError" in output
    assert file.name in output
    assert "Traceback" not in output
    (card,) = get_cards(latest_run()["start"].task, id="data")
    content = str(card_content(card))
    assert "The step `start` failed" in content
    assert file.name in content


def test_a_parameter_out_of_range_is_one_message(project, real_data_dir):
    done = project.run("run", "--data-dir", str(real_data_dir), "--minutes", "-1")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "search.minutes" in output
    assert "Traceback" not in output


def test_a_bad_config_is_refused_before_anything_runs(project):
    config = project.config("bad", ('engine = "tpot"', 'engine = "hyperopt"'))
    done = project.run("run", config=config)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert f"{config}: search.candidates[1].engine: expected one of" in output
    assert "Workflow starting" not in output
    assert "Traceback" not in output


def test_an_address_with_a_password_is_refused_before_metaflow_stores_it(project):
    address = "postgresql://studies:hunter2@db.example.org/studies"
    done = project.run("run", "--study-storage", address)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "--study-storage: expected an address without a password" in output
    assert "hunter2" not in output
    assert "Workflow starting" not in output


def test_when_every_candidate_fails_the_run_says_why(
    project, small_data, latest_run, card_content, tmp_path, monkeypatch
):
    """The libraries of both engines are broken; the baseline still works, but is no candidate."""
    for library in ("optuna", "tpot"):
        (tmp_path / f"{library}.py").write_text("raise ImportError('broken on purpose')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), project.environment.get("PYTHONPATH")]))
    monkeypatch.setitem(project.environment, "PYTHONPATH", path)
    config = project.config("hopeless", ("rows = 6000", "rows = 1500"))
    done = project.run("run", "--data-dir", str(small_data), config=config)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "all 3 candidates failed" in output
    assert "optuna-kernel: ImportError: broken on purpose" in output
    assert "tpot: ImportError: broken on purpose" in output
    run = latest_run()
    assert not run.successful
    contents = [str(card_content(get_cards(task)[0])) for task in run["search"]]
    assert sum("The run continues without it" in content for content in contents) >= 2
    (card,) = get_cards(run["select"].task, id="leaderboard")
    assert "all 3 candidates failed" in str(card_content(card))
