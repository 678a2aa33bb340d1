# One image, a command per process: `docker run winback serve detector`.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/winback
COPY requirements/main.txt requirements/build.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
 && /opt/winback/bin/pip install --require-hashes -r requirements/main.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY winback winback
RUN /opt/build/bin/hatchling build -t wheel -d /wheels \
 && /opt/winback/bin/pip install --no-deps /wheels/*.whl \
 && /opt/winback/bin/pip uninstall --yes --quiet pip setuptools

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Winback" \
      org.opencontainers.image.description="Says which accounts a distributor is losing, and helps to win them back" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /var/lib/winback --create-home winback
COPY --from=build /opt/winback /opt/winback
ENV PATH=/opt/winback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WINBACK_HOST=0.0.0.0 \
    WINBACK_STATE_DIR=/var/lib/winback/detector
USER winback
WORKDIR /var/lib/winback
ENTRYPOINT ["winback"]
CMD ["--help"]
