"""Small data sets in the four-file format, and a web server with configurable faults."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.official_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from fmnist_lib.data.synthetic import generate


@pytest.fixture(scope="session")
def small_arrays():
    """1,000 training and 200 test images that are not Fashion-MNIST."""
    images, labels = generate(1200, seed=3)
    return {
        TRAIN_IMAGES: images[:1000],
        TRAIN_LABELS: labels[:1000],
        TEST_IMAGES: images[1000:],
        TEST_LABELS: labels[1000:],
    }


@pytest.fixture
def custom_dir(tmp_path, small_arrays):
    """A directory with four intact files of other data."""
    directory = tmp_path / "custom"
    directory.mkdir()
    for name, array in small_arrays.items():
        write_idx(directory / name, array)
    return directory


@pytest.fixture
def project(tmp_path):
    """A checkout with no data in it or beside it."""
    root = tmp_path / "place" / "project"
    root.mkdir(parents=True)
    return root


class Server:
    """A web server whose faults a test can set.

    `files` maps a name to its bytes; `break_after` cuts the next connections after so many bytes;
    `ranges` switches Range support; `status` answers everything with that code.
    """

    def __init__(self, url):
        self.url = url
        self.files: dict[str, bytes] = {}
        self.break_after: list[int] = []
        self.ranges = True
        self.status: int | None = None
        self.announce_length = True
        self.requests: list[tuple[str, str | None]] = []


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            wanted = self.headers.get("Range")
            server.requests.append((name, wanted))
            if server.status or name not in server.files:
                self.send_error(server.status or 404)
                return
            content = server.files[name]
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if not server.ranges:
                start = 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/*")
            # Some servers send this header for .gz files although the bytes are the file itself.
            self.send_header("Content-Encoding", "gzip")
            if server.announce_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            if server.break_after:
                body = body[: server.break_after.pop(0)]
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def start_server(monkeypatch):
    """Return a function that starts a local web server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = []

    def start():
        http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        server = Server(f"http://127.0.0.1:{http.server_port}/")
        http.RequestHandlerClass = _handler(server)
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        running.append(http)
        return server

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


@pytest.fixture
def rng():
    return np.random.default_rng(0)
