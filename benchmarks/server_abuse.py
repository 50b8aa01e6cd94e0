"""Attack the scoring server on 127.0.0.1, then load it: no crash, flat memory, p99 printed.

    python benchmarks/server_abuse.py MODEL
    python benchmarks/server_abuse.py MODEL --minutes 30

MODEL is what `python -m fmnist_lib serve --model` takes. Three phases, with the same honest clients
in each, which send ten images at a time as fast as they get responses: alone; during an attack by
2,000 slow clients (a third silent, a third in the middle of a header, a third in the middle of a
body) and by requests of `hostile_requests`, among them bodies of 50 MB and malformed chunks; and
alone for the rest of the minutes. Prints requests, statuses, p50, p99 and memory of each. Exit code
1 if the server ended, an honest client got another status than 200, or memory grew by more than
5 % between the two halves of the last phase.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
SLOW_CLIENTS, HONEST_CLIENTS = 2000, 4
#: The hostile request that each of these clients begins with.
HOSTILE_CLIENTS = (0, 4, 8, 12)
ALONE_SECONDS, ATTACK_SECONDS = 30, 60
LARGEST_GROWTH = 0.05
POST = b"POST /invocations HTTP/1.1\r\nHost: test\r\nContent-Type: "
JSON, CHUNKED = b"application/json\r\n", b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Phase:
    """Measurements of a phase."""

    name: str
    honest: Counter[int | str] = field(default_factory=Counter)
    hostile: Counter[int | str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the row that is printed."""
        p50, p99 = 1e3 * np.quantile(self.seconds or [np.nan], [0.5, 0.99])
        return (
            f"{self.name:12} honest {dict(self.honest)}, p50 {p50:.0f} ms, p99 {p99:.0f} ms; "
            f"hostile {dict(self.hostile)}; memory {min(self.mib):.0f} to {max(self.mib):.0f} MiB"
        )


def main() -> None:
    """Start the server, run the phases, and stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=4, help="of the three phases together")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    command = [sys.executable, "-m", "fmnist_lib", "serve", "--port", "0", "--model", options.model]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r"port (\d+)", server.stderr.readline())[1])
        phases = asyncio.run(attack(port, psutil.Process(server.pid), 60 * options.minutes))
        code = server.poll()
    finally:
        server.terminate()
        log = server.stderr.read().splitlines()
        server.wait(60)
    print(f"log: {len(log)} lines, {sum('Traceback' in line for line in log)} tracebacks")
    last = phases[-1]
    halves = [np.median(half) for half in np.array_split(last.mib, 2)]
    growth = halves[1] / halves[0] - 1
    print(f"memory in the last phase: {halves[0]:.0f} MiB, then {halves[1]:.0f} ({growth:+.1%})")
    honest = sum((phase.honest for phase in phases), Counter())
    if code is not None or set(honest) != {200} or growth > LARGEST_GROWTH:
        sys.exit(1)


async def attack(port: int, server: psutil.Process, seconds: float) -> list[Phase]:
    """Run the phases one after another."""
    phases, requests = [], hostile_requests()
    for name, length in (
        ("alone", ALONE_SECONDS),
        ("attacked", ATTACK_SECONDS),
        ("afterwards", max(seconds - ALONE_SECONDS - ATTACK_SECONDS, ALONE_SECONDS)),
    ):
        phase = Phase(name)
        clients = [honest(port, phase) for _ in range(HONEST_CLIENTS)]
        clients.append(watch(server, phase))
        if name == "attacked":
            clients += [slow(port, number, phase) for number in range(SLOW_CLIENTS)]
            clients += [hostile(port, requests[n:] + requests[:n], phase) for n in HOSTILE_CLIENTS]
        with suppress(TimeoutError):
            async with asyncio.timeout(length):
                await asyncio.gather(*clients)
        print(phase, flush=True)
        phases.append(phase)
    return phases


async def watch(server: psutil.Process, phase: Phase) -> None:
    """Record the server's memory every half second."""
    while True:
        phase.mib.append(server.memory_info().rss / 2**20)
        await asyncio.sleep(0.5)


async def honest(port: int, phase: Phase) -> None:
    """Send one request after another; the connection is kept while the server keeps it."""
    images = np.random.default_rng(0).integers(0, 256, (10, 784)).tolist()
    request = _request(JSON, json.dumps({"inputs": images}).encode())
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                while True:
                    start = time.monotonic()
                    writer.write(request)
                    phase.honest[await _status(reader)] += 1
                    phase.seconds.append(time.monotonic() - start)
            finally:
                writer.close()


async def slow(port: int, number: int, phase: Phase) -> None:
    """Send a byte per second of nothing, of a header or of a body, until it is disconnected."""
    begun = (b"", POST, POST + JSON + b"Content-Length: 1000000\r\n\r\n")[number % 3]
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(begun)
                answer = asyncio.ensure_future(_status(reader))
                while not answer.done():
                    if begun:
                        writer.write(b"1")
                        await writer.drain()
                    await asyncio.wait([answer], timeout=1)
            finally:
                writer.close()
                phase.hostile[await _outcome(answer)] += 1


async def _outcome(answer: asyncio.Future[int]) -> int | str:
    answer.cancel()
    try:
        return await answer
    except asyncio.CancelledError:
        return "given up"
    except (OSError, asyncio.IncompleteReadError):
        return "disconnected"


async def hostile(port: int, requests: list[bytes], phase: Phase) -> None:
    """Send the hostile requests over and over, each on a new connection."""
    while True:
        for request in requests:
            try:
                phase.hostile[await _answer(port, request)] += 1
            except (OSError, asyncio.IncompleteReadError):
                phase.hostile["disconnected"] += 1


def hostile_requests() -> list[bytes]:
    """Return requests that are large, malformed or made to unpack to far more."""
    large = _request(JSON, b"0" * 50_000_000)
    chunks = [b"zz\r\n", b"-5\r\nabc\r\n", b"ffffffffffffffff\r\nabc", b"5\r\nabc\r\n0\r\n\r\n"]
    bodies = [
        b'{"inputs": ' + b"[" * 1_000_000,
        b'{"inputs": [' + b"[]," * 5_000_000 + b"[]]}",
        b'{"inputs": [' + b'{"a":1},' * 1_500_000 + b"{}]}",
        b'{"inputs": [' + b"9" * 1_000_000 + b"]}",
    ]
    return [
        large,
        *(POST + JSON + CHUNKED + chunk for chunk in chunks),
        *(_request(JSON, body) for body in bodies),
        _request(b"text/csv\r\n", b"0," * 7_000_000),
        _request(b"application/vnd.apache.parquet\r\n", _parquet_bomb()),
        _request(JSON + b"Content-Encoding: gzip\r\n", b"\x1f\x8b"),
        b"POST /invocations HTTP/1.1\r\nX: " + b"a" * 1_000_000,
        POST + JSON + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"\0" * 1000,
    ]


def _parquet_bomb() -> bytes:
    """Return a file of a kilobyte with 80 GB of text."""
    import pyarrow as pa
    from pyarrow import parquet

    text = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(4096, dtype=np.int32)), pa.array(["x" * 20_000_000])
    )
    file = io.BytesIO()
    parquet.write_table(pa.table({"id": text}), file, compression="zstd", store_schema=False)
    return file.getvalue()


def _request(content_type: bytes, body: bytes) -> bytes:
    return POST + content_type + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def _answer(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        sending = asyncio.ensure_future(_send(writer, request))
        try:
            async with asyncio.timeout(60):
                return await _status(reader)
        finally:
            sending.cancel()
    finally:
        writer.close()


async def _send(writer: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(OSError):
        writer.write(request)
        await writer.drain()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one response; return its status."""
    header = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", header, re.IGNORECASE)
    if length:
        await reader.readexactly(int(length[1]))
    return int(header.split(b" ", 2)[1])


if __name__ == "__main__":
    main()
