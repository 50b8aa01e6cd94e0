"""``serve``: serve predictions over HTTP."""

from __future__ import annotations

import socket
from typing import Any

import click

from fmnist_lib.commands.options import load_named_model, model_options, sets_option

#: Largest request; a thousand images take 3 MB as JSON.
MAX_REQUEST_MB = 16.0
_MAX_PORT = 65_535
#: For requests in progress when the server is stopped.
_SHUTDOWN_SECONDS = 10


@click.command()
@model_options
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; the default is reachable from this machine only.",
)
@click.option("--port", type=click.IntRange(0, _MAX_PORT), default=5001, show_default=True)
@click.option(
    "--max-request-mb",
    type=click.FloatRange(min=0),
    default=MAX_REQUEST_MB,
    show_default=True,
    help="Larger requests get status 413.",
)
@sets_option
def serve(host: str, port: int, max_request_mb: float, level: float | None, **model: Any) -> None:
    """Serve predictions over HTTP until stopped.

    POST /invocations takes what MLflow's servers take; GET /ping answers when the server is up.
    """
    import uvicorn

    from fmnist_lib.serving.app import make_app
    from fmnist_lib.serving.connections import BoundedConnection, allow_many_files

    # Before the model is loaded, which may take long.
    with _listen(host, port) as listener:
        app = make_app(load_named_model(**model), max_request_mb, level)
        port = listener.getsockname()[1]
        click.echo(f"Serving on port {port} of {host}. Ctrl+C stops it.", err=True)
        allow_many_files()
        config = uvicorn.Config(
            app,
            log_level="warning",
            http=BoundedConnection,
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise click.ClickException(
            f"expected to listen on a free port, got: {error.strerror}. Stop the other server, or "
            "choose another --port or --host."
        ) from None
