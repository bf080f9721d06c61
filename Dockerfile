# The operator's image: a Python of somebody's base image, and in /opt/iotsec what the operator needs, by hash.
#
# The base is any image with python3 (3.11 or newer) and its venv module; both stages take the same, so that the
# environment made in the first finds its interpreter in the second. Two builds with the same base and the same
# SOURCE_DATE_EPOCH have the same files, byte for byte.
ARG BASE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
# When the files were written, in seconds: no earlier than a wheel can say, the year 1980.
ARG SOURCE_DATE_EPOCH=315532800
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY image/build.lock image/requirements.lock /src/
RUN python3 -m venv /build \
 && /build/bin/python -m pip install --quiet --require-hashes -r /src/build.lock \
 && /build/bin/python -m pip wheel --quiet --no-build-isolation --require-hashes --wheel-dir /wheels \
    -r /src/requirements.lock
COPY pyproject.toml README.md /src/
COPY operator /src/operator
# Compiled by what is in a source file, not by when it was written: the file system may be read-only, and says nothing.
# Tests of libraries, scripts for shells and the Kubernetes client's second half, for asyncio, are no part of the image.
RUN /build/bin/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir /wheels /src \
 && python3 -m venv --without-pip /opt/iotsec \
 && /build/bin/python -m pip --python /opt/iotsec/bin/python install --quiet --no-compile --no-index --no-deps /wheels/* \
 && rm -f /opt/iotsec/bin/*ctivate* \
 && find /opt/iotsec -name direct_url.json -delete \
 && find /opt/iotsec -depth -type d '(' -name __pycache__ -o -path '*/site-packages/*/tests' \
    -o -path '*/site-packages/kubernetes/aio' ')' -exec rm -r {} + \
 && /opt/iotsec/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/iotsec/lib \
 && find /opt/iotsec -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE}
COPY --from=build /opt/iotsec /opt/iotsec
# A user without an entry in the list of users has no name, and kopf asks for it.
ENV PATH=/opt/iotsec/bin:/usr/local/bin:/usr/bin:/bin LOGNAME=iotsec PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that `runAsNonRoot` needs no list of users; nobody's, and nothing in the image is theirs.
USER 65532:65532
ENTRYPOINT ["/opt/iotsec/bin/iotsec"]
CMD ["run"]
