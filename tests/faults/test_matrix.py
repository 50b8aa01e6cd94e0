"""Every fault at every step: the run ends well, or says why not and is resumed to the same result.

make test-faults
"""

from __future__ import annotations

import pytest
from chain import play
from faults import STOPPING, FullDisk, ReadOnly

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("flow", ["train", "monitor"])
@pytest.mark.parametrize("fault", STOPPING, ids=lambda fault: fault.name)
def test_a_run_that_is_stopped_at_every_step_is_resumed_to_the_same_result(
    scene, undisturbed, matrix, record, fault, flow
):
    if isinstance(fault, FullDisk | ReadOnly) and not scene.is_mounted:
        pytest.skip("needs root, to mount a tmpfs")
    points = matrix["points"][flow]
    legs = [
        (fault, step)
        for step in points
        if f"{fault.name} / {flow} / {step}" not in matrix["without"]
    ]
    arguments = ["--retrain"] if flow == "monitor" else []
    expected = {key: value for key, value in undisturbed[flow].items() if key != "run"}
    cells = play(scene, flow, legs, points, expected, *arguments)
    record(cells)
    failed = {cell.step: cell.problems for cell in cells if cell.problems}
    assert {
        step: problems
        for step, problems in failed.items()
        if f"{fault.name} / {flow} / {step}" not in matrix["known"]
    } == {}
