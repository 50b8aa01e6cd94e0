"""Flow decorators for other machines: code package, resources, retries and trigger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from metaflow import FlowMutator, trigger_on_finish
from metaflow.exception import MetaflowException
from metaflow.metaflow_config import DEFAULT_DATASTORE
from metaflow.packaging_sys import ContentType

from fmnist_lib.common.process import command_options
from project import PACKED, PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow import FlowSpec

#: Schedulers for which Metaflow 2.19.39 compiles no `self.next(..., condition=...)`.
_NO_CONDITIONS = {"airflow", "step-functions"}


def triggered_by_monitor(flow: type[FlowSpec]) -> type[FlowSpec]:
    """Trigger the deployed flow when a run of the monitor finishes.

    A no-op for `spin`, which raises an AttributeError with this decorator in Metaflow 2.19.39.
    """
    if {"spin", "spin-step"} & set(sys.argv):
        return flow
    triggered: type[FlowSpec] = trigger_on_finish(flow="FashionMnistMonitor")(flow)
    return triggered


class package_checkout(FlowMutator):  # noqa: N801 (a decorator)
    """Add a copy of the checkout to the code package: the files that a bundle has as its source.

    A worker imports it, and packs the same source into the run's bundle.
    """

    def add_to_package(self) -> Iterator[tuple[str, str, ContentType]]:
        """Yield each file with its name in the package."""
        from fmnist_lib.release.packed_source import project_files

        for name, path in project_files(PROJECT_ROOT):
            yield str(path), f"{PACKED}/{name}", ContentType.USER_CONTENT


class remote_steps(FlowMutator):  # noqa: N801 (a decorator)
    """Apply the section ``[remote]`` of the configuration to the steps.

    Every step gets ``@resources`` as configured, which Metaflow ignores on this machine. With a
    datastore that other machines read, repeatable steps get ``@retry``.

    Parameters
    ----------
    repeatable : sequence of str
        Steps that give the same result when they are repeated, register nothing, and do not
        evaluate the winner on the test images.
    """

    def init(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 (Metaflow's signature)
        """Take the arguments of the decorator."""
        self._repeatable = kwargs["repeatable"]

    def pre_mutate(self, mutable_flow: Any) -> None:
        """Add the decorators."""
        if unsupported := _NO_CONDITIONS & set(sys.argv):
            raise MetaflowException(
                f"{unsupported.pop()}: expected argo-workflows, as Metaflow compiles conditional "
                "steps for no other scheduler. Use `argo-workflows create`: docs/remote.md."
            )
        # A resumed run of an earlier version has a configuration without this section.
        given = dict(mutable_flow.configs)["config"].get("remote", {})
        config = {"retries": 0, "resources": {}, **given}
        steps = dict(mutable_flow.steps)
        for name, requested in config["resources"].items():
            if name not in steps:
                raise MetaflowException(
                    f"remote.resources.{name}: expected a step of the flow, got '{name}'. The "
                    "command `show` lists the steps."
                )
            amounts = {key: value for key, value in requested.items() if value is not None}
            steps[name].add_decorator("resources", deco_kwargs=amounts)
        if config["retries"] and has_shared_datastore(sys.argv):
            attempts = {"times": config["retries"], "minutes_between_retries": 1}
            for name in self._repeatable:
                steps[name].add_decorator("retry", deco_kwargs=attempts)


def has_shared_datastore(arguments: Sequence[str], default: str = DEFAULT_DATASTORE) -> bool:
    """Return True if other machines can read the datastore of a run.

    Parameters
    ----------
    arguments : sequence of str
        Command line of the run or of one of its tasks.
    default : str
        Metaflow's datastore without ``--datastore``.

    Examples
    --------
    >>> has_shared_datastore(["train.py", "--datastore=s3", "step", "eda"])
    True
    """
    named = [value for name, value in command_options(arguments) if name == "--datastore"]
    return [default, *named][-1] != "local"
