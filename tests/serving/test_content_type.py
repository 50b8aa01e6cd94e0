"""Content types as clients send them."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pandas as pd
import pytest

from fmnist_lib.serving.content_type import ContentTypeError, content_type

IMAGE = json.dumps({"inputs": [[0] * 784]})
TABLE = pd.DataFrame([[0] * 784], columns=[f"pixel{n}" for n in range(784)]).to_csv(index=False)
ACCEPTED = [
    "application/json",
    'application/json; charset="utf-8"',
    "application/json;charset=utf-8",
    "application/json; charset=UTF-8",
    "application/json; charset=utf8",
    "application/json; charset=US-ASCII",
    "application/json; charset = utf-8",
    "application/json; Charset=UTF-8;",
    "Application/JSON",
    "APPLICATION/JSON; CHARSET=UTF-8",
    " application/json ",
    "application/json;",
    "application/json; odata=verbose",
    "application/json, application/json",
    "text/csv",
    "text/csv; charset=utf-8",
    "Text/CSV; header=present; charset=UTF-8",
]
REFUSED = {
    "": "got none",
    ";": "got ;",
    "json": "got json",
    "text/plain": "got text/plain",
    "application/jsonx": "got application/jsonx",
    "application/x-www-form-urlencoded": "got application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x": "got multipart/form-data",
    "application/json; charset=latin-1": "expected UTF-8, got charset=latin-1",
    "application/json; charset=utf-16": "expected UTF-8, got charset=utf-16",
    "text/csv; charset=klingon": "expected UTF-8, got charset=klingon",
    "application/json, text/csv": "got several: application/json, text/csv",
}


def _post(address, body, headers):
    """Send headers verbatim, which requests would normalise."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.putrequest("POST", "/invocations")
    for name, value in [("Content-Length", str(len(body))), *headers]:
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("kind", ACCEPTED)
def test_every_spelling_of_a_type_is_accepted(server, kind):
    body = TABLE if "csv" in kind.lower() else IMAGE
    status, text = _post(server, body, [("Content-Type", kind)])
    assert status == 200, text
    assert len(json.loads(text)["predictions"]) == 1


@pytest.mark.parametrize("kind", REFUSED)
def test_another_type_or_charset_is_415_with_the_reason(server, kind):
    status, text = _post(server, IMAGE, [("Content-Type", kind)])
    assert status == 415
    assert REFUSED[kind] in json.loads(text)["message"]


def test_a_header_sent_twice_counts_once_if_it_says_the_same(server):
    twice = [("Content-Type", "application/json")] * 2
    assert _post(server, IMAGE, twice)[0] == 200
    spelled = [("Content-Type", "application/json"), ("content-type", "Application/JSON;")]
    assert _post(server, IMAGE, spelled)[0] == 200
    status, text = _post(server, IMAGE, [*twice, ("Content-Type", "text/csv")])
    assert (status, "got several" in text) == (415, True)
    assert _post(server, IMAGE, [("Content-Type", ""), *twice])[0] == 200


def test_a_compressed_body_is_415(server):
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    status, text = _post(server, IMAGE, headers)
    assert (status, "got Content-Encoding: gzip" in text) == (415, True)
    headers[1] = ("Content-Encoding", "identity")
    assert _post(server, IMAGE, headers)[0] == 200


@pytest.mark.parametrize("value", [b"\xff\xfe", b"application/json; charset=\xff", b"a\x00b"])
def test_bytes_that_are_no_type_are_refused(value):
    with pytest.raises(ContentTypeError):
        content_type([(b"content-type", value)])
