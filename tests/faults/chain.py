"""One run that is hit by a fault at step after step, and resumed after each of them.

A chain costs little more than one run, because `resume` takes what has finished from the run
before. Every fault is judged where it happens; the result is compared at the end of the chain.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import results

#: Seconds for tasks to notice that their run was killed.
_GRACE_SECONDS = 5.0
#: Steps of the training flow that run at the same time.
_SIDE_BY_SIDE = {"explain", "drift", "cross_fit", "stress"}


@dataclass
class Cell:
    """A fault at a step of a flow, and what was wrong afterwards."""

    fault: str
    flow: str
    step: str
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def play(scene, flow, legs, points, undisturbed, *arguments):
    """Run a flow through its faults to its end.

    Parameters
    ----------
    scene : Scene
    flow : {"train", "monitor"}
    legs : list of (Fault, str)
        Faults and steps, in the order of the steps.
    points : dict of str to list of str
        Per step; see ``matrix.toml``.
    undisturbed : dict
        Result to compare with; see `results`.
    *arguments : str
        Of ``run``.

    Returns
    -------
    list of Cell
        One per leg. A different result at the end is a problem of all of them.
    """
    cells, command, logged = [], ["run", *arguments], scene.logged()
    for position, (fault, step) in enumerate(legs):
        # Steps of later legs that run beside this one must not finish before it is hit.
        beside = {later for _, later in legs[position:]} & _SIDE_BY_SIDE
        held = {one: points[one] for one in {step} | (beside if step in beside else set())}
        cell = Cell(fault.name, flow, step)
        cells.append(cell)
        started = time.monotonic()
        try:
            command = _leg(scene, flow, command, fault, step, held, cell)
        except AssertionError as error:
            cell.problems.append(str(error)[-1500:])
            break
        cell.seconds = time.monotonic() - started
    problems = _finish(scene, flow, command, undisturbed)
    problems += logged_once(scene, flow, logged)
    for cell in cells:
        cell.problems += problems
    return cells


def _leg(scene, flow, command, fault, step, points, cell):
    """Inject one fault, judge its outcome, and return the command that resumes the run."""
    before = scene.aliases(), scene.last_signal()
    run = scene.start(flow, *command, points=points)
    task = run.wait_for(step)
    fault.inject(run, task, step)
    code = run.wait()
    _wait_for_orphans(scene)
    orphans = scene.processes()
    fault.undo(scene)
    if code != fault.exit_code:
        cell.problems.append(f"exit code {code}, not {fault.exit_code}: {run.output[-1500:]}")
    cell.problems += _judge_output(run.output, fault)
    cell.problems += [f"orphan: {' '.join(one.cmdline()[:8])}" for one in orphans]
    cell.problems += _judge_files(scene, fault)
    # The alias moves in `publish`, whose work is done when `end` prints the results.
    if step != "end" and before != (scene.aliases(), scene.last_signal()):
        cell.problems.append("the champion's alias or the last signal changed")
    return _resume_command(run, fault, cell)


def _wait_for_orphans(scene):
    deadline = time.monotonic() + _GRACE_SECONDS
    while scene.processes() and time.monotonic() < deadline:
        time.sleep(0.1)


def _judge_output(output, fault):
    problems = []
    if fault.message and not re.search(fault.message, output):
        problems.append(f"no message like '{fault.message}': {output[-1500:]}")
    if "Traceback" in output and not fault.traceback:
        problems.append(f"a traceback: {output[output.index('Traceback') :][:1500]}")
    return problems


def _judge_files(scene, fault):
    found = scene.temporary_files()
    if fault.sudden:
        # The next run deletes the directory of a killed one.
        found = [name for name in found if not name.startswith("tmp/fmnist-run-")]
    problems = [f"temporary files: {', '.join(found)}"] if found else []
    return problems + [f"half-written: {path}" for path in scene.half_written()]


def _resume_command(run, fault, cell):
    printed = run.printed_resume()
    if printed is None:
        if not fault.is_silent:
            cell.problems.append("the command that resumes the run was not printed")
        printed = ["resume", "--origin-run-id", run.id]
    return printed


def logged_once(scene, flow, before):
    """Return what is wrong unless MLflow has one run, and one version if it trained, more."""
    added = {name: number - before[name] for name, number in scene.logged().items()}
    wanted = ["train", "versions"] if flow == "train" else [flow]
    return [f"{added[name]} more of {name} in MLflow, not 1" for name in wanted if added[name] != 1]


def _finish(scene, flow, command, undisturbed):
    """Resume to the end; return what differs from the undisturbed run."""
    run = scene.start(flow, *command)
    if run.wait(300) != 0:
        return [f"`{' '.join(command)}` failed: {run.output[-1500:]}"]
    problems = results.differences(undisturbed, results.read(flow, run.id))
    _wait_for_orphans(scene)
    problems += [f"orphan at the end: {one.cmdline()[:8]}" for one in scene.processes()]
    if found := scene.temporary_files():
        problems.append(f"temporary files at the end: {', '.join(found)}")
    return problems
