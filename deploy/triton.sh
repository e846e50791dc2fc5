#!/usr/bin/env bash
# Starts Triton for production; Compose and Kubernetes both run this file, so they use the same flags. At each start,
# restarts included, the model repository is verified first. Arguments are those of verify.py: with --digest=, an empty
# digest is refused, and with --digest=05c9... any other repository.
#
# TUFT_HOST           address of HTTP, gRPC and metrics; loopback, unless a proxy or network policy protects them
# TUFT_MODELS         the model repository, mounted read-only
# TUFT_DIGEST         what `tuft-export verify` printed; set, no other repository is served
# TUFT_RUNTIME        one of the configs/<runtime>.pbtxt; TensorRT's configuration if empty
# TUFT_KEY            key of the restricted APIs below; a random, unknown one if empty
# TUFT_SHARED_MEMORY  1: clients with the key may pass pictures through /dev/shm, if the container has theirs (--ipc)
# TUFT_MODEL_CONTROL  `explicit` lets clients with the key load and unload versions while others are served
# TUFT_HTTP_PORT      ports other than 8000 and 8001; KServe has its own
# TUFT_GRPC_PORT
# TUFT_OTLP_URL       an OpenTelemetry collector's /v1/traces, for Triton's spans within those of the client
set -euo pipefail

HOST=${TUFT_HOST:-127.0.0.1}
MODELS=${TUFT_MODELS:-/models}
MODEL_CONTROL=${TUFT_MODEL_CONTROL:-none}
KEY=${TUFT_KEY:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
RUNTIME=${TUFT_RUNTIME:-}
OTLP_URL=${TUFT_OTLP_URL:-}
DIGEST=${TUFT_DIGEST:-}
KNOWN=${TUFT_KEY:+yes}
SHARED_MEMORY=${TUFT_SHARED_MEMORY:-0}
unset TUFT_KEY

# Older releases have vulnerabilities for any client that reaches a port: path traversal (CVE-2026-47627, below 26.06),
# bypass of the restricted APIs (CVE-2026-24207, below 26.03; CVE-2026-47481, below 26.05), code execution through the
# shared memory of clients (CVE-2025-23319, below 25.07). 26.06 is also the first with TensorRT 11. The container states
# its release.
FLOOR=26.06
RELEASE=${NVIDIA_TRITON_SERVER_VERSION:-none}

refuse() {
    echo "triton.sh: $1" >&2
    exit 1
}

[[ $RELEASE =~ ^[0-9]{2}\.[0-9]{2}$ && ! $RELEASE < $FLOOR ]] ||
    refuse "Triton of release $RELEASE has known holes: take nvcr.io/nvidia/tritonserver:$FLOOR-py3 or a newer one."
[[ $KEY =~ ^[A-Za-z0-9._-]{32,}$ ]] ||
    refuse "TUFT_KEY is too short or holds other signs than A-Z, a-z, 0-9, '.', '_' and '-': make one with 'openssl rand -hex 32'."
[[ $SHARED_MEMORY == 0 || $SHARED_MEMORY == 1 ]] ||
    refuse "There is no shared memory '$SHARED_MEMORY': set TUFT_SHARED_MEMORY to 1, or to 0."
[[ $SHARED_MEMORY == 0 || $KNOWN == yes ]] ||
    refuse "Clients need a key for shared memory: set TUFT_KEY, for them too ('openssl rand -hex 32' makes one)."
[[ $MODEL_CONTROL == none || $MODEL_CONTROL == explicit ]] ||
    refuse "There is no model control '$MODEL_CONTROL': set TUFT_MODEL_CONTROL to none or explicit."

# Triton does not start with a model that has a configuration but no version, so it is given the published ones only.
published=$(mktemp -d)
for version in "$MODELS"/*/[0-9]*/; do
    [[ -d $version ]] && ln -sfn "$(realpath "$version/..")" "$published/"
done
[[ -n $(ls "$published") ]] ||
    refuse "Nothing is published in $MODELS: run 'make engines', or 'tuft-export publish'."

# With the standard library only: nothing of the environment is imported.
python3 -I -S -B "$(dirname "${BASH_SOURCE[0]}")/verify.py" "$MODELS" ${DIGEST:+"--digest=$DIGEST"} "$@" || exit 1

# Loading a model executes code; traces and logs are files at paths of the caller's choice; the other restricted APIs
# disclose internals. The client needs health, metadata, inference and model-config, over gRPC. It reads the resize mode
# that a network was trained with (the parameter `tuft_resize`) from the model's configuration, and model-config only
# reads. HTTP has had most of the vulnerabilities, and serves only the health probes.
GRPC_RESTRICTED=shared-memory,model-repository,statistics,trace,logging
HTTP_RESTRICTED=$GRPC_RESTRICTED,model-config,metadata,inference

flags=(
    --model-repository="$published"
    --model-control-mode="$MODEL_CONTROL"
    --disable-auto-complete-config       # configurations are tested as they are
    --strict-readiness=true              # ready means every model
    --exit-on-error=true                 # a model that does not load stops the start
    --exit-timeout-secs=60               # for requests in flight; longer than any takes on a GPU

    --http-address="$HOST"
    --http-restricted-api="$HTTP_RESTRICTED:tuft-key=$KEY"
    --http-max-input-size=16777216       # an image of 2048 is 12.6 MB
    --grpc-address="$HOST"
    --grpc-restricted-protocol="$GRPC_RESTRICTED:tuft-key=$KEY"
    --grpc-max-connection-age=300000     # milliseconds: clients reconnect, and so find new servers
    --grpc-max-connection-age-grace=120000 # for requests in flight
    --metrics-address="$HOST"

    --allow-client-shm="$([[ $SHARED_MEMORY == 1 ]] && echo true || echo false)" # an attack surface
    --log-format=ISO8601
)
if [[ $MODEL_CONTROL == explicit ]]; then flags+=("--load-model=*"); fi
if [[ -n $RUNTIME && $RUNTIME != tensorrt ]]; then flags+=(--model-config-name="$RUNTIME"); fi
if [[ -n ${TUFT_HTTP_PORT:-} ]]; then flags+=(--http-port="$TUFT_HTTP_PORT"); fi
if [[ -n ${TUFT_GRPC_PORT:-} ]]; then flags+=(--grpc-port="$TUFT_GRPC_PORT"); fi
if [[ -n $OTLP_URL ]]; then
    flags+=(--trace-config=mode=opentelemetry --trace-config=level=TIMESTAMPS --trace-config=rate=1)
    flags+=("--trace-config=opentelemetry,url=$OTLP_URL")
fi

exec tritonserver "${flags[@]}"
