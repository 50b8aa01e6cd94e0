# Image of a step on Kubernetes or Argo Workflows: Python and the libraries of the lock.
# The code is not in it: each task downloads the code package of its run.
#
#     docker build --tag fmnist-flow .
FROM python:3.11-slim-bookworm

# LightGBM needs OpenMP. Debian keeps only the latest version of a package, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 worker
COPY requirements/runtime.txt /opt/runtime.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement /opt/runtime.txt

# The image has what Metaflow would install at the start of every task.
ENV PATH="/opt/venv/bin:$PATH" METAFLOW_SKIP_INSTALL_DEPENDENCIES=1
USER 1000
WORKDIR /home/worker
