"""Requests that are slow, many, or cost far more than they send."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from fmnist_lib.common.errors import DataError
from fmnist_lib.serving import connections
from fmnist_lib.serving.csv_body import with_names
from fmnist_lib.serving.json_body import check_json
from fmnist_lib.serving.request_limits import MAX_WAITING, RequestLimits

HEADERS = [(b"content-type", b"application/json")]
SCOPE = {"type": "http", "method": "POST", "headers": HEADERS}
BODY = b'{"inputs": [[0]]}'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"inputs": ' + b"[" * 1_000_000, "lists and objects, got 1000001"),
        (b'{"inputs": [' + b"[]," * 200_000 + b"[]]}", "lists and objects"),
        (b"[" * 50_000, "expected an object with the images"),
        (b'{"inputs": [' + b"0," * 5000 + b"0]}", "expected 1 to 5000 in one request, got 5001"),
        (b'{"inputs": [[' + b"0," * 5000 + b"0]]}", "a list of 5001 values"),
        (b'{"inputs": [[[[' + b"0," * 5000 + b"0]]]]}", "a list of 5001 values"),
        (b'{"inputs": {"a": [' + b"0," * 5000 + b"0]}}", "got 5001"),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", "expected an object with the images"),
        (b"nothing", "expected an object with the images"),
    ],
)
def test_a_body_that_is_costly_to_parse_is_refused(body, problem):
    with pytest.raises(DataError, match=problem):
        check_json(body)


def test_objects_of_ever_new_keys_are_refused():
    one = {f"k{n}": 1 for n in range(5000)}
    many = [{f"k{row}_{n}": 1 for n in range(500)} for row in range(10)]
    for rows in (one, many, [one]):
        with pytest.raises(DataError, match="at most 1000 different keys"):
            check_json(json.dumps({"dataframe_records": rows}).encode())


def test_the_largest_requests_pass():
    check_json(json.dumps({"inputs": [[[0] * 28] * 28] * 500, "params": {"sets": 0.9}}).encode())
    check_json(json.dumps({"inputs": [[0] * 784] * 5000}).encode())
    record = {f"pixel{n}": 0 for n in range(1, 785)}
    check_json(json.dumps({"dataframe_records": [record] * 100}).encode())


@pytest.mark.parametrize("body", [b"a,b\n" + b"0," * 100_000, b"a\n" * 20_000, b"0," * 2000])
def test_a_csv_body_longer_or_wider_than_images_is_refused(body):
    with pytest.raises(DataError, match="at most 5000 lines of 784 pixels"):
        with_names(body)


def test_a_csv_cell_longer_than_the_reader_takes_is_one_message():
    with pytest.raises(DataError, match="CSV: expected a readable first line, got: field larger"):
        with_names(b"A" * 200_000)


async def respond(limits, messages):
    """Send a request to the middleware; return its status."""
    sent = []

    async def receive():
        if not messages:
            await asyncio.sleep(60)
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    await limits(dict(SCOPE), receive, send)
    return sent[0]["status"]


def part(body=BODY, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def application(_scope, receive, send):
    await receive()
    await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_a_body_that_does_not_end_is_refused():
    limits = RequestLimits(application, 1000, body_seconds=0.1)
    assert asyncio.run(respond(limits, [part(more=True)])) == 408
    assert asyncio.run(respond(limits, [part()])) == 200


def test_the_part_of_a_body_before_a_disconnection_is_not_predicted():
    async def never(_scope, _receive, _send):
        raise AssertionError

    limits = RequestLimits(never, 1000)
    messages = [part(more=True), {"type": "http.disconnect"}]
    assert asyncio.run(respond(limits, messages)) == 400


def test_more_requests_than_may_wait_are_refused_and_the_others_served():
    async def many():
        limits = RequestLimits(application, 1000)
        asked = [respond(limits, [part()]) for _ in range(MAX_WAITING + 5)]
        statuses = await asyncio.gather(*asked)
        return statuses, await respond(limits, [part()])

    statuses, later = asyncio.run(many())
    assert (statuses.count(200), statuses.count(503), later) == (MAX_WAITING, 5, 200)


def test_bodies_together_take_no_more_memory_than_a_few_of_the_largest():
    async def many():
        limits = RequestLimits(application, 1000, body_seconds=1)
        held = [
            asyncio.create_task(respond(limits, [part(b"x" * 1000, more=True)])) for _ in range(17)
        ]
        await asyncio.sleep(0.1)
        status = await respond(limits, [part()])
        await asyncio.gather(*held)
        return status, await respond(limits, [part()])

    assert asyncio.run(many()) == (503, 200)


@contextmanager
def running(app):
    """Serve an application in a thread, as the command does; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=connections.BoundedConnection, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


async def large_response(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(100):
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def seconds_until_closed(port, sent, *, reads=True):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        start = time.monotonic()
        if not reads:
            # The server has given up, and the rest is what the kernel had taken.
            time.sleep(2)
        received = 0
        try:
            while piece := client.recv(1 << 20):
                received += len(piece)
        except ConnectionResetError:
            pass
        return time.monotonic() - start, received


def test_silent_and_slow_clients_are_disconnected(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.5)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n"
    with running(large_response) as port:
        for sent in (b"", b"GET", request):
            assert seconds_until_closed(port, sent)[0] < 5
        assert seconds_until_closed(port, request + b"\r\n", reads=False)[1] < 100_000_000
        close = b"Connection: close\r\n\r\n"
        assert seconds_until_closed(port, request + close)[1] >= 100_000_000


def test_a_connection_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    with running(large_response) as port:
        first = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        time.sleep(0.2)
        assert seconds_until_closed(port, b"") == (pytest.approx(0, abs=3), 0)
        for client in first:
            client.close()
