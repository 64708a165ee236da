# The daemon and what it needs at run time, and nothing else of ours: no pip of its own, no compiler, no linters, no tests.
#
# The base is named by tag, since a digest ages with every Debian fix. For a build that can be repeated, pin it:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:<digest> --build-arg REVISION="$(git rev-parse HEAD)" -t autoscaler .
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
RUN python -m venv --without-pip /opt/autoscaler
COPY requirements-run.lock ./
# Wheels only: a source distribution would run code of its own while it is built.
RUN pip --python /opt/autoscaler/bin/python install --no-cache-dir --only-binary=:all: \
        --require-hashes -r requirements-run.lock
COPY requirements.lock ./
# hatchling and what it needs, with their hashes, out of the lock of the whole project; pip refuses if one is lacking.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements.lock > build.lock \
    && pip install --no-cache-dir --only-binary=:all: --require-hashes -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY autoscaler ./autoscaler
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /build/wheels . \
    && pip --python /opt/autoscaler/bin/python install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="autoscaler" \
      org.opencontainers.image.description="Keeps Amazon ECS services at the size that their SQS queues need" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /opt/autoscaler /opt/autoscaler
# Bytecode was compiled when the wheels were installed; with a read-only root file system none could be added.
# The product listens on loopback unless it is told otherwise. In a container that would be nobody.
ENV PATH=/opt/autoscaler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AUTOSCALER_HTTP_HOST=0.0.0.0
USER 65532:65532
WORKDIR /
EXPOSE 9108
STOPSIGNAL SIGTERM
# The same command as in the task definition, which is the one that ECS heeds. No proxy of the environment comes in between.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('AUTOSCALER_HTTP_PORT', '9108')), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["autoscaler"]
CMD ["run"]
