#!/usr/bin/env bash
# Starts Triton as it is to run in production; Compose and Kubernetes both run this file, so their flags are the same.
#
# TUFT_HOST           where HTTP, gRPC and metrics listen; this machine only, unless something in front guards them
# TUFT_MODELS         the model repository, verified beforehand (verify.py) and mounted read-only
# TUFT_RUNTIME        one of the configs/<runtime>.pbtxt; TensorRT's configuration if empty
# TUFT_KEY            opens the restricted APIs below; if empty, one that nobody knows is made up
# TUFT_MODEL_CONTROL  `explicit` lets whoever has the key load and unload versions while others are served
# TUFT_OTLP_URL       an OpenTelemetry collector's /v1/traces, for Triton's spans below those of the client
set -euo pipefail

HOST=${TUFT_HOST:-127.0.0.1}
MODELS=${TUFT_MODELS:-/models}
MODEL_CONTROL=${TUFT_MODEL_CONTROL:-none}
KEY=${TUFT_KEY:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
RUNTIME=${TUFT_RUNTIME:-}
OTLP_URL=${TUFT_OTLP_URL:-}
unset TUFT_KEY

# Older releases can be taken over by whoever reaches a port: path traversal (CVE-2026-47627, below 26.06), going round
# the restricted APIs (CVE-2026-24207, below 26.03; CVE-2026-47481, below 26.05), code run through the shared memory of
# clients (CVE-2025-23319, below 25.07). 26.06 is also the first with TensorRT 11. The container names its release.
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
[[ $MODEL_CONTROL == none || $MODEL_CONTROL == explicit ]] ||
    refuse "There is no model control '$MODEL_CONTROL': set TUFT_MODEL_CONTROL to none or explicit."

# A size that has a configuration and no version yet would keep Triton from starting: it is shown the published ones.
published=$(mktemp -d)
for version in "$MODELS"/*/[0-9]*/; do
    [[ -d $version ]] && ln -sfn "$(realpath "$version/..")" "$published/"
done
[[ -n $(ls "$published") ]] ||
    refuse "Nothing is published in $MODELS: run 'make engines', or 'tuft-export publish'."

# Loading a model is running code; a trace or a log is a file wherever the caller likes; the rest tells strangers what
# is inside. The client needs health, metadata, inference and model-config, and speaks gRPC: it reads from a model's
# configuration how the network was trained (`tuft_resize`), and this API only reads. HTTP has had most of the holes,
# and is here for the probes alone.
GRPC_RESTRICTED=shared-memory,model-repository,statistics,trace,logging
HTTP_RESTRICTED=$GRPC_RESTRICTED,model-config,metadata,inference

flags=(
    --model-repository="$published"
    --model-control-mode="$MODEL_CONTROL"
    --disable-auto-complete-config       # configurations are tested as they are
    --strict-readiness=true              # ready means every model
    --exit-on-error=true                 # a model that does not load is found at the start, not by a customer
    --exit-timeout-secs=60               # for work in flight; longer than any request waits and computes on a GPU

    --http-address="$HOST"
    --http-restricted-api="$HTTP_RESTRICTED:tuft-key=$KEY"
    --http-max-input-size=16777216       # a picture of 2048 is 12.6 MB
    --grpc-address="$HOST"
    --grpc-restricted-protocol="$GRPC_RESTRICTED:tuft-key=$KEY"
    --grpc-max-connection-age=300000     # milliseconds: clients find a new server beside the old ones, and leave
    --grpc-max-connection-age-grace=120000 # what a request may still take
    --metrics-address="$HOST"

    --allow-client-shm=false             # a client's shared memory is another way into the server's
    --log-format=ISO8601
)
if [[ $MODEL_CONTROL == explicit ]]; then flags+=("--load-model=*"); fi
if [[ -n $RUNTIME && $RUNTIME != tensorrt ]]; then flags+=(--model-config-name="$RUNTIME"); fi
if [[ -n $OTLP_URL ]]; then
    flags+=(--trace-config=mode=opentelemetry --trace-config=level=TIMESTAMPS --trace-config=rate=1)
    flags+=("--trace-config=opentelemetry,url=$OTLP_URL")
fi

exec tritonserver "${flags[@]}"
