# Triton's container with what `tuft-export engine --no-export` needs beside it: neither torch nor another TensorRT, only
# Python bindings of the very version whose libraries are here, and will load the engines.
ARG TRITON=26.07
FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3

COPY . /tmp/tuft

# The library's file is called libnvinfer.so.<major>.<minor>.<patch>; without one realpath fails, and so does the build.
# hadolint ignore=DL4006
RUN library=$(realpath "$(ldconfig -p | awk '/libnvinfer\.so\.[0-9]+ / {print $NF; exit}')") \
    && pip3 install --no-cache-dir --target /opt/tuft "/tmp/tuft[engines]" "tensorrt-cu13-bindings==${library##*.so.}.*" \
    && rm -r /tmp/tuft

ENV PYTHONPATH=/opt/tuft PYTHONDONTWRITEBYTECODE=1
