"""Serve predictions over HTTP: python -m fmnist_lib.workflows.serve --model M --port 5001."""

from __future__ import annotations

import argparse
import sys

from fmnist_lib.common.errors import FmnistError
from fmnist_lib.serving.app import MAX_REQUEST_MB, make_app
from fmnist_lib.workflows import model_source


def main(arguments: list[str] | None = None) -> int:
    """Run the server until it is stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m fmnist_lib.workflows.serve", description=__doc__
    )
    model_source.add_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument("--port", type=int, default=5001, help="default: %(default)d")
    parser.add_argument(
        "--max-request-mb",
        type=float,
        default=MAX_REQUEST_MB,
        help="larger requests are refused (default: %(default)g)",
    )
    options = parser.parse_args(arguments)
    try:
        app = make_app(model_source.load_named(options), options.max_request_mb)
    except FmnistError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    import uvicorn

    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
