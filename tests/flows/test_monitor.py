"""The monitor as an operator runs it, and the retraining it starts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from metaflow import Flow, Run, namespace
from metaflow.cards import get_cards

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def monitor(project, monitor_in):
    """The monitor, with the training runs of all these tests beside it."""
    return monitor_in(project.directory)


@pytest.fixture(scope="module")
def signal_file(project):
    return project.directory / "signals" / "monitor.json"


@pytest.fixture(scope="module")
def config(project, signal_file):
    """A configuration whose files stay in the tests' directory and whose training is short."""
    training = project.small_config("retrain")
    path = project.directory / "monitor.toml"
    path.write_text(f'signal = "{signal_file}"\n[retrain]\nconfig = "{training}"\n')
    return path


def latest(flow="FashionMnistMonitor"):
    namespace(None)
    return Flow(flow).latest_run


@pytest.fixture(scope="module")
def quiet(monitor, config, finished):
    """A batch like the reference."""
    held_back = finished["select"].task.data.held_back
    batch = monitor.directory / "quiet.npz"
    np.savez(batch, images=held_back.images[:600])
    done = monitor.run("run", "--batch", str(batch), config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    return latest()


@pytest.fixture(scope="module")
def hurting(monitor, config, quiet, train_images, train_labels):
    """A batch of noisy images with their labels, and the run on it."""
    assert quiet.successful  # so that the history begins with it
    noise = np.random.default_rng(0).normal(0, 100, train_images[:2000].shape)
    images = np.clip(np.rint(train_images[:2000] + noise), 0, 255).astype(np.uint8)
    batch, labels = monitor.directory / "noisy.npy", monitor.directory / "labels.npy"
    np.save(batch, images)
    np.save(labels, train_labels[:2000])
    done = monitor.run(
        *("run", "--batch", str(batch), "--labels", str(labels), "--retrain"), config=config
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return latest()


def test_a_quiet_batch_is_ok_and_leaves_its_signal_everywhere(
    quiet, finished, monitor, card_content
):
    signal = quiet["assess"].task.data.signal
    assert signal.verdict == "ok"
    assert signal.champion == f"FashionMnistTrain/{finished.id}"
    assert {"verdict:ok", f"champion:FashionMnistTrain/{finished.id}"} <= quiet.tags

    from fmnist_lib.registry.store import client

    tracked = client(monitor.tracking_uri).get_run(quiet["assess"].task.data.mlflow_run_id)
    assert tracked.data.tags["verdict"] == "ok"
    assert tracked.data.tags["metaflow.run_id"] == quiet.id
    assert tracked.data.metrics["retrain"] == 0
    assert tracked.data.metrics["estimated_accuracy"] == signal.estimated_accuracy.value

    (card,) = get_cards(quiet["assess"].task, id="monitor")
    parts = card_content(card)
    assert "No significant drift" in str(parts[:10])
    assert not any("error" in str(part.get("type", "")).lower() for part in parts)
    assert "[@card WARNING]" not in str(parts)


def test_a_hurting_batch_with_labels_trains_anew_and_links_both_runs(
    hurting, finished, signal_file
):
    content = json.loads(signal_file.read_text())
    assert content["verdict"] == "retrain"
    assert content["monitor_run"] == hurting.pathspec
    assert content["realised_accuracy"]["high"] < content["reference_accuracy"]["low"]

    training = Run(content["retraining"]["run"])
    assert training.successful
    assert f"training:{training.pathspec}" in hurting.tags
    assert {"challenger", f"monitor:{hurting.pathspec}"} <= training.tags

    data = training["publish"].task.data
    contest = data.contest
    promoted = content["retraining"]["promoted"]
    assert promoted == data.promotion.promoted == ("promoted" in training.tags)
    assert contest.better or not promoted
    assert content["retraining"]["reason"].startswith(contest.reason)
    assert contest.challenger_new.value > contest.champion_new.value
    old = finished["select"].task.data.dataset
    assert len(data.dataset.test) == len(old.test) + data.n_new_held_out
    seen = {image.tobytes() for image in data.dataset.train.images}
    assert not any(image.tobytes() in seen for image in data.dataset.test.images[len(old.test) :])


def test_the_history_holds_every_verdict_in_order(hurting, card_content):
    (card,) = get_cards(hurting["assess"].task, id="monitor")
    text = str(card_content(card))
    assert text.index("noisy.npy") < text.rindex("quiet.npz")


def test_training_triggered_by_a_quiet_monitor_ends_at_once(quiet, project):
    done = project.run("--trigger", f"FashionMnistMonitor/{quiet.id}", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    run = latest("FashionMnistTrain")
    assert [step.id for step in run] == ["end", "start"]
    assert f"monitor:{quiet.pathspec}" in run.tags
    assert "Training skipped: the monitor's verdict is ok" in done.stdout


@pytest.mark.usefixtures("hurting")
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((60, 28, 28), 0.5), "as if divided by 255"),
        (np.zeros((1, 28, 28), np.uint8), "at least 2 images"),
    ],
)
def test_a_bad_batch_is_one_message_and_leaves_the_signal_alone(
    monitor, config, signal_file, card_content, images, message
):
    before = signal_file.read_bytes()
    np.save(monitor.directory / "bad.npy", images)
    done = monitor.run("run", "--batch", str(monitor.directory / "bad.npy"), config=config)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert message in output
    assert "Traceback" not in output
    assert signal_file.read_bytes() == before
    (card,) = get_cards(latest()["assess"].task, id="monitor")
    assert message in str(card_content(card))


def test_pictures_meet_their_labels_by_name_and_nameless_columns_need_a_place(
    monitor, config, finished, card_content
):
    from PIL import Image

    held_back = finished["select"].task.data.held_back
    images, labels = held_back.images[:200], np.asarray(held_back.labels[:200])
    folder, known = monitor.directory / "pictures", monitor.directory / "pictures.csv"
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    lines = [f"{number}.png,{labels[number]}" for number in reversed(range(200))]
    known.write_text("\n".join(["file,label", *lines]))
    done = monitor.run("run", "--batch", str(folder), "--labels", str(known), config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    task = latest()["assess"].task
    assert task.data.signal.realised_accuracy.value > 0.5
    (card,) = get_cards(task, id="monitor")
    assert "Above each image its file name" in str(card_content(card))
    table = monitor.directory / "few.csv"
    np.savetxt(table, np.column_stack([images[:5].reshape(5, 784), [0] * 5]), "%d", ",")
    done = monitor.run("run", "--batch", str(table), config=config)
    assert done.returncode == 1
    assert "--label-column first|last|none" in done.stdout + done.stderr
    arguments = ("run", "--batch", str(table), "--label-column", "last")
    done = monitor.run(*arguments, config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert latest()["assess"].task.data.signal.verdict == "insufficient_data"


def test_without_a_champion_the_monitor_says_how_to_get_one(tmp_path, monitor_in):
    fresh = monitor_in(tmp_path)
    fresh.environment["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = str(tmp_path)
    done = fresh.run("run", "--batch", "any.npy", config=None)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "no champion yet" in output
    assert "python flows/train.py run" in output
    assert "Traceback" not in output
