"""One run to its end, during which faults happen that it survives."""

from __future__ import annotations

import time

import results
from chain import Cell


def survive(scene, flow, name, command, points, actions, seconds=400):
    """Run a flow to its end; at the point of each step call its action, then let it continue.

    Returns
    -------
    tuple of Run and list of Cell
        One cell per action.
    """
    run = scene.start(flow, *command, points={step: points[step] for step in actions})
    started, deadline, cells = time.monotonic(), time.monotonic() + seconds, {}
    while run.process.poll() is None:
        for step, action in actions.items():
            if step not in cells and (scene.control / f"{step}.reached").exists():
                cells[step] = Cell(name, flow, step, time.monotonic() - started)
                run.go_on(step, action() or "")
        time.sleep(0.02)
        if time.monotonic() > deadline:
            for process in run.everything():
                process.kill()
    assert set(cells) == set(actions), run.output[-3000:]
    for cell in cells.values():
        cell.seconds = (time.monotonic() - started) / len(cells)
        if run.process.returncode != 0:
            cell.problems.append(run.output[-1500:])
    return run, list(cells.values())


def judge(scene, flow, run, cells, expected, *, but=()):
    """Add to the cells what differs from the undisturbed run, and what was left behind."""
    if run.process.returncode == 0:
        wanted = {key: expected[key] for key in expected if key not in ("run", *but)}
        problems = results.differences(wanted, results.read(flow, run.id))
        problems += [f"temporary file: {name}" for name in scene.temporary_files()]
        problems += [f"half-written: {path}" for path in scene.half_written()]
        problems += ["an orphan"] if scene.processes() else []
        for cell in cells:
            cell.problems += problems


def failed(cells):
    return {f"{cell.fault} / {cell.step}": cell.problems for cell in cells if cell.problems}
