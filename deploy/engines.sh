#!/usr/bin/env bash
# Builds TensorRT engines on the machine that will serve them: exports graphs with this machine's Python, which has
# torch; builds engines in Triton's container, which has TensorRT; then publishes. Skips what is up to date. See
# docs/engines.md.
set -euo pipefail
cd "$(dirname "$0")/.."

TRITON=${TRITON:-26.07}               # the release that will serve
CHECKPOINT=${CHECKPOINT:-base}        # a name, or the path of a file
BASE_SIZE=${BASE_SIZE:-}              # of a .pth file
PRECISION=${PRECISION:-fp16}          # no engine is published that differs from its graph in float32
SIZES=${SIZES:-1024 1536 2048}
DEVICE=${DEVICE:-}                    # refuse any other GPU, as in L4
ENGINES=${ENGINES:-engines}           # one folder for each kind of GPU
REPOSITORY=${REPOSITORY:-model_repository}
VERSION=${VERSION:-1}                 # of the models; a new one leaves the old one to go back to
TUFT_EXPORT=${TUFT_EXPORT:-.venv/bin/tuft-export}

image=tuft-engines:$TRITON
read -ra sizes <<<"$SIZES"
each_size=("${sizes[@]/#/--size=}")
checkpoint=(--checkpoint "$CHECKPOINT" ${BASE_SIZE:+--base-size "$BASE_SIZE"})

export_graphs() {
    "$TUFT_EXPORT" engine "${each_size[@]}" "${checkpoint[@]}" --precision "$PRECISION" --output "$ENGINES" --onnx-only
}

build_engines() {
    tar --create --exclude=__pycache__ pyproject.toml README.md LICENSE NOTICE client export runtime deploy/engines.Dockerfile |
        docker build --quiet --build-arg "TRITON=$TRITON" --tag "$image" --file deploy/engines.Dockerfile - >/dev/null
    local terminal=()
    if [[ -t 0 && -t 1 ]]; then terminal=(--interactive --tty); fi
    docker run --rm --init "${terminal[@]}" --gpus all --user "$(id -u):$(id -g)" \
        --volume "$(realpath "$ENGINES"):/engines" "$image" \
        python3 -m tuft_export engine "${each_size[@]}" ${DEVICE:+--device "$DEVICE"} --output /engines --no-export
}

is_published() {
    local size
    for size in "${sizes[@]}"; do
        cmp --silent "$ENGINES/model_$size.plan" "$REPOSITORY/inspyrenet_$size/$VERSION/model.plan" || return 1
    done
    "$TUFT_EXPORT" verify "$REPOSITORY" >/dev/null 2>&1
}

publish_engines() {
    if is_published; then
        echo "$REPOSITORY: unchanged"
    else
        "$TUFT_EXPORT" publish "${checkpoint[@]}" --runtime tensorrt --engines "$ENGINES" \
            --sizes "${sizes[@]}" --repository "$REPOSITORY" --version "$VERSION"
    fi
}

export_graphs
build_engines
publish_engines
