# The User API (default), and two images that carry the servers along:
#   docker build -t presswork/fastapi_app .
#   docker build -t presswork/standalone --target standalone .            `presswork up` in a container
#   docker build -t presswork/clickhouse-node --target clickhouse-node .  the embedded ClickHouse alone, for trials
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# ---- what every image starts from: an unprivileged user, and the interpreter's settings

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --gid 10001 presswork \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin presswork \
 && install -d -o presswork -g presswork /data
WORKDIR /srv

FROM base AS locked
COPY .ci/pip-index .ci/pip-index
COPY deploy/docker/install deploy/docker/install
COPY pyproject.toml poetry.lock ./
COPY kernel/pyproject.toml kernel/pyproject.toml
COPY generator_service/pyproject.toml generator_service/pyproject.toml

# ---- the User API

FROM locked AS api-packages
RUN deploy/docker/install --only main

FROM base AS api
COPY --from=api-packages /opt/venv /opt/venv
COPY deploy/docker/healthcheck /usr/local/bin/healthcheck
COPY kernel kernel
COPY app app
COPY LICENSE ./
RUN python -m compileall -q /srv && install -d -o presswork -g presswork /data/blobs
USER 10001:10001
ENV PRESSWORK_HOST=0.0.0.0 \
    PRESSWORK_BLOB_DIR=/data/blobs \
    PRESSWORK_LOG_FORMAT=json
VOLUME /data/blobs
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["healthcheck", "8000"]
CMD ["python", "-P", "-m", "app"]

# ---- everything in one: docker run -p 8000:8000 -p 8001:8001 -v presswork:/data presswork/standalone

FROM locked AS standalone-packages
# chDB's Python package asks for these (330 MB); the embedded node loads chDB's library without that package.
RUN deploy/docker/install --only main,standalone
WORKDIR /opt/venv/lib/python3.12/site-packages
RUN rm -r numpy numpy-* numpy.libs pandas pandas-* pyarrow pyarrow-*

FROM base AS standalone
COPY --from=standalone-packages /opt/venv /opt/venv
COPY deploy/docker/healthcheck deploy/docker/presswork /usr/local/bin/
COPY kernel kernel
COPY generator_service generator_service
COPY app app
COPY standalone standalone
COPY LICENSE pyproject.toml ./
RUN python -m compileall -q /srv
USER 10001:10001
ENV PRESSWORK_DATA_DIR=/data \
    PRESSWORK_HOST=0.0.0.0 \
    PRESSWORK_LOG_FORMAT=json \
    HOME=/tmp
VOLUME /data
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["healthcheck", "8001"]
ENTRYPOINT ["presswork"]
CMD ["up"]

FROM standalone AS clickhouse-node
USER 0:0
COPY deploy/docker/clickhouse_node.py /srv/clickhouse_node.py
RUN install -d -o presswork -g presswork /var/lib/clickhouse
USER 10001:10001
VOLUME /var/lib/clickhouse
EXPOSE 8123
HEALTHCHECK NONE
ENTRYPOINT ["python", "/srv/clickhouse_node.py"]
CMD []

# The default. It comes last, and the api first: a builder that makes every stage on its way (DOCKER_BUILDKIT=0) makes few.
FROM api AS default
