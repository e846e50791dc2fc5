# One image for one release: Triton, the models it serves and the check that these are the ones that were published. To
# go back is to start the image before it. In a checkout whose model_repository/ is filled (deploy/engines.sh):
#
#     tar --create --exclude=__pycache__ client/tuft model_repository deploy |
#         docker build --file deploy/serving.Dockerfile --tag tuft-triton:1 -
ARG TRITON=26.07
FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3

COPY model_repository /models
COPY client/tuft /tuft/client/tuft
COPY deploy/verify.py deploy/triton.sh /tuft/deploy/

ENV PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 1000:1000
CMD ["bash", "/tuft/deploy/triton.sh"]
