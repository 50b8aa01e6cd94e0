from __future__ import annotations

import socket


def test_a_port_in_use_is_one_message(fmnist):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, output, message = fmnist("serve", "--model", "absent", "--port", port)
    assert (status, output) == (1, "")
    assert "expected to listen on a free port, got: Address already in use" in message


def test_a_model_that_is_not_there_is_one_message(fmnist):
    status, output, message = fmnist("serve", "--model", "absent", "--port", 0)
    assert (status, output) == (1, "")
    assert message.startswith("Error: absent: expected a")
