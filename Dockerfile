# The daemon and its run-time dependencies only, with the extra `web`: no own pip, no compiler, no linters, no tests.
#
# The base image is referenced by tag, because a digest becomes outdated with every Debian fix. To pin it:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:<digest> --build-arg REVISION="$(git rev-parse HEAD)" -t autoscaler .
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
RUN python -m venv --without-pip /opt/autoscaler
COPY requirements-run.lock ./
# Only wheels: the build of a source distribution would run its code.
RUN pip --python /opt/autoscaler/bin/python install --no-cache-dir --only-binary=:all: \
        --require-hashes -r requirements-run.lock
COPY requirements.lock ./
# hatchling and its dependencies with their hashes, from the lock of the whole project. pip fails if one is missing.
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
      org.opencontainers.image.description="Scales Amazon ECS services by their SQS queues" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /opt/autoscaler /opt/autoscaler
# Bytecode was compiled when the wheels were installed; with a read-only root file system none can be added.
# By default the daemon listens on loopback, which cannot be reached from outside the container.
ENV PATH=/opt/autoscaler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AUTOSCALER_HTTP_HOST=0.0.0.0
USER 65532:65532
WORKDIR /
EXPOSE 9108
STOPSIGNAL SIGTERM
# The same command as in the task definition, which ECS uses instead. It ignores proxy variables of the environment.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('AUTOSCALER_HTTP_PORT', '9108')), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["autoscaler"]
CMD ["run"]
