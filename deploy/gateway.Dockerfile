# The gateway: HTTP in front of a Triton. In a checkout:
#
#     docker build --file deploy/gateway.Dockerfile --tag tuft-gateway:1 .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build

COPY requirements/gateway.txt /tmp/
RUN pip install --no-cache-dir --no-deps --target /opt/tuft --requirement /tmp/gateway.txt
COPY pyproject.toml README.md LICENSE /src/
COPY client /src/client
COPY export /src/export
COPY gateway /src/gateway
COPY runtime /src/runtime
RUN pip install --no-cache-dir --no-deps --target /opt/tuft /src

FROM python:${PYTHON}-slim
COPY --from=build /opt/tuft /opt/tuft
# A new volume gets the owner that the folder has here.
RUN mkdir /var/lib/tuft && chown 1000:1000 /var/lib/tuft

ENV PYTHONPATH=/opt/tuft PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["python", "-m", "tuft", "gateway"]
CMD ["--host", "0.0.0.0", "--reports", "/var/lib/tuft/reports"]
