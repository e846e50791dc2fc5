"""Which versions a Triton server has loaded: asked and changed over its model control, which needs its key."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError, ServerError, ServerUnreachableError
from tuft.inference.transport.base import CallOptions
from tuft.inference.transport.failures import error_from_status
from tuft.inference.transport.triton import TritonTransport, grpc_target_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

KEY_HEADER: Final = "triton-grpc-protocol-tuft-key"  # deploy/triton.sh restricts model control to who knows it
LOAD_TIMEOUT_S: Final = 600.0  # an engine is read and its largest batch warmed up
_MIN_CONTRAST: Final = 1e-3


class ModelControl:
    """The model control of one server.

    Args:
        url: Its gRPC port, as `tuft.inference.transport.triton.grpc_target_from_url` takes it.
        key: Opens what is restricted; empty for a server that restricts nothing.

    Raises:
        OptionError: `url` is no address.
        SetupError: tritonclient is not installed.
    """

    def __init__(self, url: str, key: str) -> None:
        self._transport = TritonTransport(url)
        from tritonclient import grpc

        self._library = grpc
        target, secure = grpc_target_from_url(url)
        self._client = grpc.InferenceServerClient(target, ssl=secure)
        self._server = target
        self._headers = {KEY_HEADER: key} if key else {}

    def versions(self, model: str) -> tuple[str, ...]:
        """The versions of `model` that are served, the highest last.

        Raises:
            ServerError: The server does not say.
        """
        with self._failures_as_ours(model):
            versions = self._client.get_model_metadata(model, client_timeout=LOAD_TIMEOUT_S).versions
        return tuple(sorted(versions, key=int))

    def serve(self, model: str, versions: Sequence[str]) -> None:
        """Loads these versions of `model` and unloads all others; those that are loaded already go on undisturbed.

        Raises:
            ModelUnavailableError: The server cannot load one; it serves what it served before.
            ServerError: The server did not do it for another reason.
        """
        wanted = tuple(sorted(versions, key=int))
        served = self.versions(model)
        if served == wanted:
            return
        with self._failures_as_ours(model):
            config = self._client.get_model_config(model, headers=self._headers, as_json=True)["config"]
        config["version_policy"] = {"specific": {"versions": [int(version) for version in wanted]}}
        with self._failures_as_ours(model, loading=" and ".join(set(wanted) - set(served))):
            self._client.load_model(
                model, headers=self._headers, config=json.dumps(config), client_timeout=LOAD_TIMEOUT_S
            )

    def warm_up(self, model: str, version: str) -> None:
        """Has `version` answer a picture, and looks at the answer.

        Raises:
            ContractError: Its saliency is not finite, not within 0..1, or the same everywhere.
            ServerError: It does not answer.
        """
        size = self._transport.model_size(model, timeout_s=LOAD_TIMEOUT_S)
        options = CallOptions(version=version)
        inference = self._transport.infer(model, _picture(size), timeout_s=LOAD_TIMEOUT_S, options=options)
        least, most = float(inference.saliency.min()), float(inference.saliency.max())
        if not (least >= 0 and most <= 1 and most - least > _MIN_CONTRAST):  # NaN is none of it
            raise ContractError(
                f"Version {version} of {model} finds {least:.3g} to {most:.3g} in a picture of a ball: export it again."
            )

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()
        self._transport.close()

    @contextmanager
    def _failures_as_ours(self, model: str, *, loading: str = "") -> Iterator[None]:
        try:
            yield
        except self._library.InferenceServerException as exc:
            raise self._error(exc, model, loading) from exc

    def _error(self, exc: Any, model: str, loading: str) -> ServerError:
        status, message = (exc.status() or "").removeprefix("StatusCode."), exc.message() or ""
        error = error_from_status(status, message, server=self._server, model=model, timeout_s=LOAD_TIMEOUT_S)
        if "explicit model load / unload is not allowed" in message:
            return ModelUnavailableError(
                f"{self._server} does not let versions be loaded: start it with TUFT_MODEL_CONTROL=explicit."
            )
        if "restricted" in message:
            return ServerUnreachableError(
                f"{self._server} does not let this key in: give the server's TUFT_KEY with --key, or in TUFT_KEY."
            )
        if loading and not isinstance(error, ServerUnreachableError):
            detail = message.strip().splitlines()[0].rstrip(".") if message.strip() else status
            return ModelUnavailableError(
                f"{self._server} cannot load version {loading} of {model} ({detail}): look at its log; "
                "it serves what it served before."
            )
        return error


def _picture(size: int) -> NDArray[np.uint8]:
    """uint8 (S, S, 3): a bright ball before a grey gradient."""
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    ball = np.clip((0.5 - np.hypot(rows, columns)) * 20, 0, 1)[..., None]
    behind = (64 + 32 * rows)[..., None] * np.ones(contract.CHANNELS)
    picture: NDArray[np.uint8] = np.rint(behind * (1 - ball) + ball * np.array([250, 220, 180])).astype(np.uint8)
    return picture
