"""One thread that computes one picture after the other: a graph uses all cores, and is not thread-safe."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import tuft_runtime
from tuft.errors import (
    InferenceError,
    ServerBusyError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft_local import engine
from tuft_local.models import verify
from tuft_runtime import Interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tuft.inference.resilience import CancelToken, Deadline
    from tuft_local.models import Model

    # From a graph's file, the parameters of its configuration and the model's name to what computes it.
    Load = Callable[[Path, Mapping[str, str], str], Any]

_CLOSED = "This client is closed: make a new one."


class Worker:
    """Computes models that are loaded when they are first asked for, and stay loaded while there is memory."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tuft-local")
        self._graphs: dict[Path, Any] = {}
        self._interrupts: set[Interrupt] = set()

    def saliency(
        self, model: Model, image: NDArray[np.uint8], *, deadline: Deadline, queue: Deadline, cancel: CancelToken
    ) -> NDArray[np.float32]:
        """The saliency of one picture, uint8 [S, S, 3]: float32 [S, S].

        The other arguments and the errors are those of `answer`.
        """
        saliency: NDArray[np.float32] = self.answer(
            model, image, engine.load, deadline=deadline, queue=queue, cancel=cancel
        )
        return saliency

    def tensors(
        self,
        model: Model,
        tensors: Mapping[str, NDArray[Any]],
        *,
        deadline: Deadline,
        queue: Deadline,
        cancel: CancelToken,
    ) -> dict[str, NDArray[Any]]:
        """The outputs of a model with any tensors, by name.

        The other arguments and the errors are those of `answer`.
        """
        outputs: dict[str, NDArray[Any]] = self.answer(
            model, tensors, engine.load_tensors, deadline=deadline, queue=queue, cancel=cancel
        )
        return outputs

    def answer(
        self, model: Model, inputs: Any, load: Load, *, deadline: Deadline, queue: Deadline, cancel: CancelToken
    ) -> Any:
        """What a model computes.

        Args:
            model: The model.
            inputs: What its graph's `infer` takes.
            load: Loads its graph, at first use.
            deadline: When to give up.
            queue: When to give up if other pictures are still before this one.
            cancel: Ends it, from any thread.

        Raises:
            ServerError: It was not computed; the class says why.
            RequestCancelledError: It was cancelled.
            SetupError: The model cannot be loaded.
        """
        reply: Future[Any] = Future()
        interrupt = Interrupt()
        self._interrupts.add(interrupt)
        try:
            self._submit(reply, interrupt, model, inputs, load, queue)
            with cancel.on_cancel(partial(_cancelled, reply, interrupt, cancel)):
                return reply.result(deadline.remaining_s)
        except FutureTimeoutError:
            raise ServerTimeoutError(
                f"{model.name} was not computed within the time allowed: allow more time or take a smaller preset."
            ) from None
        finally:
            interrupt.set()  # also after Ctrl-C
            self._interrupts.discard(interrupt)
            del reply  # an exception and the frame that raises it would form a cycle with it

    def _submit(self, *job: Any) -> None:
        try:
            self._thread.submit(self._run, list(job))
        except RuntimeError:
            raise ServerUnreachableError(_CLOSED) from None

    def close(self) -> None:
        """Ends what is computed and what waits, and releases the graphs."""
        for interrupt in list(self._interrupts):
            interrupt.set()
        self._thread.shutdown(wait=False)
        self._graphs.clear()

    def _run(self, job: list[Any]) -> None:
        reply, interrupt, model, inputs, load, queue = job
        job.clear()  # the pool keeps it for longer
        try:
            if queue.passed and not reply.done():
                raise ServerBusyError(f"This machine is busy, the picture for {model.name} waited too long: try again.")
            _answer(reply, self._computed(model, inputs, load, interrupt))
        except BaseException as exc:
            _answer(reply, exc)
        finally:
            del reply, inputs  # as above

    def _computed(self, model: Model, inputs: Any, load: Load, interrupt: Interrupt) -> Any:
        while True:
            try:
                return self._infer(model, inputs, load, interrupt)
            except ServerOutOfMemoryError:
                # This graph is useless without memory; the others may have what it needs.
                were_others = bool(self._graphs.keys() - {model.graph})
                self._graphs.clear()
                if not were_others:
                    raise

    def _infer(self, model: Model, inputs: Any, load: Load, interrupt: Interrupt) -> Any:
        try:
            with interrupt.ending(lambda: None):
                graph = self._graph(model, load)
            return graph.infer(inputs, interrupt=interrupt)
        except tuft_runtime.InterruptedInferenceError:
            raise ServerUnreachableError(_CLOSED) from None  # otherwise the caller has its answer already
        except tuft_runtime.InferenceError as exc:
            if exc.out_of_memory:
                raise engine.out_of_memory(model.name) from exc
            raise InferenceError(f"{model.name} failed ({str(exc).rstrip('.')}): publish the model again.") from exc

    def _graph(self, model: Model, load: Load) -> Any:
        if model.graph not in self._graphs:
            verify(model)
            self._graphs[model.graph] = load(model.graph, model.parameters, model.name)
        return self._graphs[model.graph]


def _cancelled(reply: Future[Any], interrupt: Interrupt, cancel: CancelToken) -> None:
    interrupt.set()
    _answer(reply, cancel.error())


def _answer(reply: Future[Any], result: Any) -> None:
    """Sets a result or an error, unless there is one."""
    with suppress(InvalidStateError):
        if isinstance(result, BaseException):
            reply.set_exception(result)
        else:
            reply.set_result(result)
