# Two stages: the first builds the wheel and a virtual environment, the second has only what runs.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/digest
# Dependencies first, checked by hash: this layer is kept until the lock changes.
COPY requirements/run.lock requirements/run.lock
RUN /opt/digest/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY templates templates
COPY alembic alembic
COPY examples examples
RUN /opt/digest/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheels . \
    && /opt/digest/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /wheels/*.whl

FROM python:3.11-slim
# No package of the system is needed: PostgreSQL's driver and the time zones come as wheels.
RUN useradd --system --uid 10001 --home-dir /data --create-home digest
COPY --from=build /opt/digest /opt/digest
ENV PATH=/opt/digest/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /data
USER digest
VOLUME /data
EXPOSE 8025
ENTRYPOINT ["digest"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8025"]
