"""A batch on Ray Data: a pool of actors on one machine or many.

Rows of the data set are groups of photographs, so that a block is a unit of work and of commitment: the listing is
read lazily, an actor cuts out a group with a few threads, and only rows of results come back to the driver. An actor
catches the errors of each photograph; what keeps all of them from being done comes back as an error, and ends the run.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import socket
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError, OutputError, ServerError, SetupError, StorageError
from tuft.text import shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator

    from tuft.batch.bulk.job import Job
    from tuft.batch.bulk.keys import KeySet
    from tuft.batch.bulk.results import Row
    from tuft.batch.bulk.sources import Source

_LIGHT_CPUS: Final = 0.25  # of an actor that waits for a server
_LISTING_CPUS: Final = 0.25
_WITH_SERVER: Final = 2  # actors; each asks for several photographs at once
_LEAST_CPUS: Final = 4  # of a cluster that is started here: with two, Ray Data may wait for itself for ever
_ANSWER_S: Final = 10.0
_STARTS: Final = 3  # on this machine: Ray gives up after half a minute, which a busy one may need
_STORE_BYTES: Final = 400 << 20  # groups are kilobytes, or shards of at most 128 MiB


@dataclass(frozen=True)
class Cluster:
    """Where actors run, and how many.

    Attributes:
        address: Of a Ray cluster, such as `ray://HOST:10001` or `HOST:6379`; None starts one on this machine.
        workers: How many actors; None for two that ask a server, or for one on each machine that computes itself.
        worker_cpus: Processors that an actor reserves; None for 0.25, or for all of a machine that computes itself.
        worker_gpus: GPUs that an actor reserves.

    Raises:
        OptionError: A number is out of its range.
    """

    address: str | None = None
    workers: int | None = None
    worker_cpus: float | None = None
    worker_gpus: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("worker_cpus", self.worker_cpus)):
            if value is not None and not value > 0:
                raise OptionError(f"There are no {shown(repr(value))} {name.replace('_', ' ')}: give more than zero.")
        if self.worker_gpus < 0:
            raise OptionError(f"There are no {self.worker_gpus} GPUs: give zero or more.")


def rows(job: Job, done: KeySet, stop: threading.Event, cluster: Cluster) -> Generator[list[Row], None, None]:
    """Does what is missing of a job, and yields rows as groups are done.

    Raises:
        SetupError: Ray is not installed, or there is no cluster.
        TuftError: It cannot go on; the class says why.
    """
    ray = _ray()
    computes = job.settings.url.partition(":")[0] == "local"
    with _connected(ray, cluster), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="ray")  # of what it might do better
        for row in _data_set(ray, job, done, cluster, computes=computes).iter_rows():
            if stop.is_set():
                return
            if row["error"]:
                raise pickle.loads(row["error"])
            yield pickle.loads(row["rows"])


def _ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it hides GPUs, and warns
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise SetupError("Ray is not installed: pip install 'tuft-matting[ray]', or leave out --engine ray.") from exc
    return ray


@contextmanager
def _connected(ray: Any, cluster: Cluster) -> Iterator[None]:
    if ray.is_initialized():  # a program that has its own
        yield
        return
    if cluster.address is not None:
        _require_answer(cluster.address)
    for name in ("ray", "ray.data"):  # which prints its plans
        logging.getLogger(name).setLevel(logging.ERROR)
    arguments: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if cluster.address is None:
        # Ray only counts them: on one machine, what actors reserve keeps nothing else from being done.
        cpus = max(_LEAST_CPUS, os.cpu_count() or 1) + (cluster.workers or 1) * max(1.0, cluster.worker_cpus or 0.0)
        arguments |= {"address": "local", "num_cpus": math.ceil(cpus), "include_dashboard": False}
        arguments |= {"object_store_memory": _STORE_BYTES}
    else:
        arguments["address"] = cluster.address
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(**arguments)
            break
        except Exception as exc:  # of a dozen classes
            with suppress(Exception):
                ray.shutdown()
            if attempt == _STARTS or cluster.address is not None:
                reason = shown((str(exc).strip() or type(exc).__name__).splitlines()[0].rstrip("."))
                where = f"at {cluster.address}" if cluster.address else "on this machine"
                text = f"Ray does not start, or there is no cluster {where} ({reason}): check it."
                raise SetupError(text) from exc
    try:
        yield
    finally:
        with suppress(Exception):
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself asks for minutes at an address where nothing answers, and then says nothing that helps."""
    host, separator, port = address.rpartition("://")[2].rpartition(":")
    if not separator:  # such as auto, which names the cluster of this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as exc:
        reason = shown(getattr(exc, "strerror", None) or exc)
        text = (
            f"No cluster of Ray answers at {shown(address)} ({reason}): start one with `ray start --head`, or give its "
        )
        raise SetupError(text + "address, such as ray://HOST:10001 or HOST:6379.") from exc


def _data_set(ray: Any, job: Job, done: KeySet, cluster: Cluster, *, computes: bool) -> Any:
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.target_max_block_size = 1  # bytes: each group is a block, and goes on as soon as it is listed
    context.enable_rich_progress_bars = False
    cpus, workers = cluster.worker_cpus, cluster.workers
    machines = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if cpus is None:
        least = min(node["Resources"]["CPU"] for node in machines)
        cpus = _LIGHT_CPUS if not computes else 1.0 if cluster.address is None else max(1.0, least - 1)
    if workers is None:
        workers = len(machines) if computes else _WITH_SERVER
    _require_room(machines, {"CPU": cpus, "GPU": cluster.worker_gpus})
    with ray.data.DataContext.current(context):
        listed = ray.data.read_datasource(
            _groups_source(ray, job, done),
            override_num_blocks=len(job.sources),
            num_cpus=_LISTING_CPUS,
        )
        return listed.map_batches(
            _Worker,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="pyarrow",
            zero_copy_batch=True,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=cpus,
            num_gpus=cluster.worker_gpus or None,
        )


def _require_room(machines: list[Any], wanted: dict[str, float]) -> None:
    """Ray waits for ever for a machine that is large enough for a worker."""
    if any(all(machine["Resources"].get(name, 0) >= value for name, value in wanted.items()) for machine in machines):
        return
    most = {name: max((machine["Resources"].get(name, 0) for machine in machines), default=0) for name in wanted}
    raise OptionError(
        f"No machine of the cluster has {wanted['CPU']:g} processors and {wanted['GPU']:g} GPUs for a worker: it has "
        f"at most {most['CPU']:g} and {most['GPU']:g}, give fewer by --worker-cpus or --worker-gpus."
    )


def _groups_source(ray: Any, job: Job, done: KeySet) -> Any:
    """A data source of Ray's with one task for each source of the job."""

    class Groups(ray.data.Datasource):  # type: ignore[misc]
        def get_name(self) -> str:
            return "Groups"

        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None, **_: Any) -> list[Any]:
            metadata = ray.data.block.BlockMetadata(None, None, None, None)
            held = ray.put(done)
            return [ray.data.ReadTask(_Listing(job, source, held), metadata) for source in job.sources]

    return Groups()


@dataclass(frozen=True)
class _Listing:
    job: Job
    source: Source
    done: Any

    def __call__(self) -> Iterator[Any]:
        import pyarrow
        import ray

        done = ray.get(self.done)
        try:
            for group in self.job.groups(self.job.missing(self.source, done)):
                yield pyarrow.table({"group": [pickle.dumps(group)], "error": [b""]})
        except (OptionError, StorageError) as error:
            yield pyarrow.table({"group": [b""], "error": [pickle.dumps(error)]})


class _Worker:
    """An actor."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._cutter = job.cutter()

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        error, found = batch["error"][0].as_py(), b""
        if not error:
            group = pickle.loads(batch["group"][0].as_py())
            try:
                found = pickle.dumps([row for part in self._job.work(self._cutter, group) for row in part])
            except (ServerError, SetupError, StorageError, OutputError) as exc:
                error = pickle.dumps(type(exc)(str(exc)))
        return pyarrow.table({"rows": [found], "error": [error]})
