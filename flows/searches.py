"""Budget and results of the search, of a resumed run as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.candidate_result import CandidateResult

if TYPE_CHECKING:
    from fmnist_lib.config.search import SearchConfig
    from fmnist_lib.search.execution.budget import Budget


def current_budget(planned: Budget) -> Budget:
    """Return the budget of the search; in a resumed run it begins when the run was resumed.

    No time is kept for candidates that finished before.
    """
    from metaflow import Run, current

    if not current.origin_run_id:
        return planned
    run, origin = (
        Run(f"{current.flow_name}/{number}", _namespace_check=False)
        for number in (current.run_id, current.origin_run_id)
    )
    tasks = {step.id: step for step in origin}.get("search", ())
    finished = {task["candidate"].data for task in tasks if "result" in task}
    return planned.resumed(run.created_at.timestamp(), finished)


def result_of(branch: Any, config: SearchConfig) -> CandidateResult:
    """Return the result of a search task; a failed one if the whole task died."""
    if getattr(branch, "result", None) is not None:
        return branch.result
    reason = getattr(branch, "search_failure", None) or "no reason known"
    engine = config.candidate(branch.input).engine
    return CandidateResult(branch.input, engine, error=f"its task died: {reason}")
