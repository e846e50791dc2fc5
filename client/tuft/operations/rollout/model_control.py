"""Triton's model control: lists, loads and unloads versions of a model. The server may require a key for it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError, ServerError, ServerUnreachableError
from tuft.inference.transport.base import CallOptions
from tuft.inference.transport.triton import KEY_HEADER, TritonTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tuft.inference.transport.access import Access

LOAD_TIMEOUT_S: Final = 600.0  # the server reads an engine and warms up its largest batch
_MIN_CONTRAST: Final = 1e-3


class ModelControl:
    """The model control of one server.

    Args:
        transport: The connection to the server; `close` closes it.
        key: The key of the restricted protocols; empty for a server that restricts nothing.
    """

    def __init__(self, transport: TritonTransport, key: str) -> None:
        self._transport = transport
        self._headers = {KEY_HEADER: key} if key else {}

    @classmethod
    def connect(cls, url: str, key: str, access: Access | None = None) -> ModelControl:
        """Connects to a server.

        Args:
            url: Its gRPC port, as `tuft.inference.transport.triton.grpc_target_from_url` takes it.
            key: The key of the restricted protocols; empty for a server that restricts nothing.
            access: Certificates, token and headers of the connection.

        Raises:
            OptionError: `url` is not an address, or `access` does not fit it.
            SetupError: tritonclient is not installed.
        """
        return cls(TritonTransport(url, access=access), key)

    def versions(self, model: str) -> tuple[str, ...]:
        """The versions of `model` that are served, in ascending order.

        Raises:
            ServerError: The server did not answer.
        """
        with self._grpc_client(model) as client:
            versions = client.get_model_metadata(model, client_timeout=LOAD_TIMEOUT_S).versions
        return tuple(sorted(versions, key=int))

    def serve(self, model: str, versions: Sequence[str]) -> None:
        """Loads these versions of `model` and unloads all others; versions that are loaded already are not interrupted.

        Raises:
            ModelUnavailableError: The server cannot load one; it serves the same versions as before.
            ServerError: The server failed for another reason.
        """
        wanted = tuple(sorted(versions, key=int))
        served = self.versions(model)
        if served == wanted:
            return
        with self._grpc_client(model) as client:
            config = client.get_model_config(model, headers=self._headers, as_json=True)["config"]
        config["version_policy"] = {"specific": {"versions": [int(version) for version in wanted]}}
        with self._grpc_client(model, loading=" and ".join(set(wanted) - set(served))) as client:
            client.load_model(model, headers=self._headers, config=json.dumps(config), client_timeout=LOAD_TIMEOUT_S)

    def warm_up(self, model: str, version: str) -> None:
        """Sends a synthetic picture to `version` and checks the saliency.

        Raises:
            ContractError: The saliency is not finite, not within 0..1, or constant.
            ServerError: The version did not answer.
        """
        size = self._transport.model_size(model, timeout_s=LOAD_TIMEOUT_S)
        options = CallOptions(version=version)
        inference = self._transport.infer(model, _picture(size), timeout_s=LOAD_TIMEOUT_S, options=options)
        least, most = float(inference.saliency.min()), float(inference.saliency.max())
        if not (least >= 0 and most <= 1 and most - least > _MIN_CONTRAST):  # NaN fails every comparison
            raise ContractError(
                f"Version {version} of {model} finds {least:.3g} to {most:.3g} in a picture of a ball: export it again."
            )

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    @contextmanager
    def _grpc_client(self, model: str, *, loading: str = "") -> Iterator[Any]:
        """The connection's `InferenceServerClient`; its failures become tuft's errors.

        Args:
            model: Name of the model that the calls are about, for errors.
            loading: The versions that the calls load, for errors.
        """
        try:
            with self._transport.grpc_client(model, LOAD_TIMEOUT_S) as client:
                yield client
        except ServerError as error:
            raise self._explained(error, model, loading) from error.__cause__

    def _explained(self, error: ServerError, model: str, loading: str) -> ServerError:
        """`error`, or a more specific one where the server's message tells what is wrong with model control."""
        server, message = self._transport.server, _message(error.__cause__)
        if "explicit model load / unload is not allowed" in message:
            return ModelUnavailableError(
                f"{server} does not let versions be loaded: start it with TUFT_MODEL_CONTROL=explicit."
            )
        if "restricted" in message:
            return ServerUnreachableError(
                f"{server} does not let this key in: give the server's TUFT_KEY with --key, or in TUFT_KEY."
            )
        if loading and not isinstance(error, ServerUnreachableError):
            detail = message.splitlines()[0].rstrip(".") if message else type(error).__name__
            return ModelUnavailableError(
                f"{server} cannot load version {loading} of {model} ({detail}): look at its log; "
                "it serves what it served before."
            )
        return error


def _message(cause: BaseException | None) -> str:
    """What the server said: tritonclient's `InferenceServerException.message()`; empty without one."""
    message = getattr(cause, "message", None)
    return str(message() or "").strip() if callable(message) else ""


def _picture(size: int) -> NDArray[np.uint8]:
    """uint8 (S, S, 3): a bright ball in front of a grey gradient."""
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    ball = np.clip((0.5 - np.hypot(rows, columns)) * 20, 0, 1)[..., None]
    behind = (64 + 32 * rows)[..., None] * np.ones(contract.CHANNELS)
    picture: NDArray[np.uint8] = np.rint(behind * (1 - ball) + ball * np.array([250, 220, 180])).astype(np.uint8)
    return picture
