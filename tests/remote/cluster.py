"""As much of Kubernetes as Metaflow needs, on this machine.

A job's container command runs as a process whose working directory and home are new and empty,
and whose environment is what the pod's manifest says. Nothing else of the machine that started
the run is given to it, neither the checkout nor its ``.cache``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Pod:
    """A job, its process and the directory of the process."""

    job: dict[str, Any]
    directory: Path
    process: subprocess.Popen[bytes]
    started: str = field(default_factory=_now)

    @property
    def name(self) -> str:
        return self.job["metadata"]["name"]

    @property
    def container(self) -> dict[str, Any]:
        return self.job["spec"]["template"]["spec"]["containers"][0]

    def job_status(self) -> dict[str, Any]:
        code = self.process.poll()
        status = {"active": 1} if code is None else {"failed" if code else "succeeded": 1}
        return self.job | {"status": status}

    def pod_status(self) -> dict[str, Any]:
        code, state = self.process.poll(), {"running": {"startedAt": self.started}}
        if code is not None:
            reason = "Error" if code else "Completed"
            ended = {"exitCode": code, "reason": reason, "finishedAt": _now()}
            state = {"terminated": ended | {"startedAt": self.started}}
        container = {
            "name": self.container["name"],
            "state": state,
            "image": self.container["image"],
            "imageID": "",
            "ready": code is None,
            "restartCount": 0,
        }
        phase = {None: "Running", 0: "Succeeded"}.get(code, "Failed")
        return {
            "metadata": {"name": f"{self.name}-pod", "namespace": "default"},
            "status": {"phase": phase, "containerStatuses": [container]},
        }


class Cluster(ThreadingHTTPServer):
    """API server and node.

    Parameters
    ----------
    directory : Path
        Where the pods have their directories, which are removed with them.
    image : Path
        Virtual environment of the pods; their other programs are those of the machine.
    environment : dict
        Variables that every pod gets from the cluster, such as the address of S3's stand-in.
    secrets : dict of str to dict
        Variables of every secret, by its name.
    """

    def __init__(
        self,
        directory: Path,
        image: Path,
        environment: dict[str, str],
        secrets: dict[str, dict[str, str]],
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.directory, self.image = directory, image
        self.environment, self.secrets = environment, secrets
        self.pods: dict[str, Pod] = {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def kubeconfig(self, path: Path) -> Path:
        """Write the file that KUBECONFIG names."""
        name = {"name": "test"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [name | {"cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [name | {"user": {}}],
            "contexts": [name | {"context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(json.dumps(content))
        return path

    def start_pod(self, job: dict[str, Any]) -> None:
        job["metadata"]["name"] = job["metadata"].get("name") or (
            f"{job['metadata']['generateName']}{len(self.pods)}"
        )
        job["metadata"]["uid"] = str(len(self.pods))
        directory = self.directory / job["metadata"]["name"]
        directory.mkdir(parents=True)
        container = job["spec"]["template"]["spec"]["containers"][0]
        with (directory.parent / f"{directory.name}.log").open("wb") as log:
            process = subprocess.Popen(
                container["command"],
                cwd=directory,
                env=self._environment(container, directory),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pod = self.pods[job["metadata"]["name"]] = Pod(job, directory, process)
        threading.Thread(target=self._clean_up, args=(pod,), daemon=True).start()

    def _environment(self, container: dict[str, Any], directory: Path) -> dict[str, str]:
        given = {one["name"]: one.get("value", one["name"]) for one in container["env"]}
        for source in container.get("envFrom", []):
            given |= self.secrets[source["secretRef"]["name"]]
        image = {
            "PATH": f"{self.image / 'bin'}:/usr/bin:/bin",
            "HOME": str(directory),
            "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1",
        }
        return image | self.environment | given

    def _clean_up(self, pod: Pod) -> None:
        pod.process.wait()
        shutil.rmtree(pod.directory, ignore_errors=True)

    def stop(self) -> None:
        """Kill what still runs, and close the server."""
        for pod in self.pods.values():
            if pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGKILL)
        self.shutdown()
        self.server_close()


class _Api(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.start_pod(job)
        self._answer(job | {"status": {}})

    def do_GET(self) -> None:
        wanted = re.search(r"/jobs/([^/?]+)|job-name(?:=|%3D)([^&]+)", self.path)
        pod = self.server.pods.get((wanted[1] or wanted[2]) if wanted else "")
        if "/jobs/" in self.path:
            self._answer(pod.job_status() if pod else {}, 200 if pod else 404)
        else:
            self._answer({"items": [pod.pod_status()] if pod else [], "metadata": {}})

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
