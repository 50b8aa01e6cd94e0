"""As much of Metaflow's metadata service as a run and the Client API need, in memory.

The routes and the version are those of https://github.com/Netflix/metaflow-service, which needs
PostgreSQL and is not on PyPI.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

#: The first version with filtered tasks, and what Metaflow calls the number of a new object.
VERSION, NUMBER = "2.5.0", {"run": "run_number", "task": "task_id"}
_ARTIFACTS = re.compile(
    r"(?P<task>.*/tasks/[^/]+)(/attempt/(?P<attempt>\d+))?/artifacts"
    r"(/(?P<name>[^/]+)(/attempt/(?P<of_attempt>\d+))?)?"
)


class MetadataService(ThreadingHTTPServer):
    """The service, on a free port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Routes)
        #: Flows, runs, steps and tasks by their path; artifacts and metadata by their task's.
        self.objects: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, list[dict[str, Any]]] = {}
        self.metadata: dict[str, list[dict[str, Any]]] = {}
        self.numbers, self.lock = count(1), threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def create(self, path: str, given: dict[str, Any]) -> Any:
        """Answer a POST."""
        parent, _, kind = path.rpartition("/")
        now = {"ts_epoch": int(1000 * time.time())}
        if kind in ("artifact", "metadata"):
            table = self.artifacts if kind == "artifact" else self.metadata
            table.setdefault(parent, []).extend(
                one | now | {"id": next(self.numbers)} for one in given
            )
            return []
        if kind == "heartbeat":
            return {"wait_time_in_seconds": 10}
        if kind in NUMBER:
            given[NUMBER[kind]] = given.get(NUMBER[kind]) or str(next(self.numbers))
            path = f"{parent}/{kind}s/{given[NUMBER[kind]]}"
        elif kind == "step":
            path = parent
        self.objects[path] = now | given
        return self.objects[path]

    def read(self, path: str) -> Any:
        """Answer a GET; None: there is no such object."""
        if match := _ARTIFACTS.fullmatch(path):
            found = self._artifacts(match["task"], match["attempt"] or match["of_attempt"])
            return found.get(match["name"]) if match["name"] else list(found.values())
        if path.endswith("/metadata"):
            return self.metadata.get(path.removesuffix("/metadata"), [])
        if path in self.objects:
            return self.objects[path]
        # A list: the flows, or the children of an object.
        if path.count("/") % 2:
            inside = re.compile(rf"{re.escape(path)}/[^/]+")
            return [one for place, one in self.objects.items() if inside.fullmatch(place)]
        return None

    def _artifacts(self, task: str, attempt: str | None) -> dict[str, Any]:
        """Return a task's artifacts by their name; of the last attempt unless one is named."""
        every = self.artifacts.get(task, [])
        wanted = int(attempt) if attempt else max((one["attempt_id"] for one in every), default=0)
        return {one["name"]: one for one in every if one["attempt_id"] == wanted}

    def change_tags(self, path: str, change: dict[str, list[str]]) -> dict[str, Any]:
        """Answer a PATCH."""
        run = self.objects[path.removesuffix("/tag/mutate")]
        kept = set(run["tags"]) - set(change["tags_to_remove"])
        run["tags"] = sorted(kept | set(change["tags_to_add"]))
        return {"tags": run["tags"]}


class _Routes(BaseHTTPRequestHandler):
    server: MetadataService

    def do_GET(self) -> None:
        path = self.path.rstrip("/").partition("?")[0]
        with self.server.lock:
            self._answer("pong" if path == "/ping" else self.server.read(path))

    def do_POST(self) -> None:
        with self.server.lock:
            self._answer(self.server.create(self.path, self._body()))

    def do_PATCH(self) -> None:
        with self.server.lock:
            self._answer(self.server.change_tags(self.path, self._body()))

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")

    def _answer(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(404 if content is None else 200)
        self.send_header("METADATA_SERVICE_VERSION", VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
