"""A batch on Ray Data, on a cluster of this machine: broken photographs, an actor that is killed, and what is left."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.buckets import photographs, table
from support.tiny import tiny_repository

from tuft import Settings
from tuft.batch.bulk import BatchOptions, Cluster, Row, on_ray, run_batch
from tuft.errors import OptionError, SetupError


def actors() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "MapWorker" in one.name() or "MapWorker" in " ".join(one.cmdline())]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_broken_photographs_and_killed_actors_lose_nothing(tmp_path: Path) -> None:
    broken = (3, 17, 40)
    keys = photographs(tmp_path / "in", 60, broken=broken)
    repository = tiny_repository(tmp_path / "models")
    killed: list[int] = []

    def kill_an_actor(rows: Any) -> None:
        if not killed and (found := actors()):
            killed.append(found[0].pid)
            os.kill(found[0].pid, signal.SIGKILL)

    def run(**more: Any) -> Any:
        return run_batch(
            tmp_path / "in",
            tmp_path / "out",
            BatchOptions(size=384, into="tar"),
            settings=Settings(url=f"local:{repository}"),
            engine="ray",
            cluster=Cluster(workers=2, worker_cpus=0.5),
            group=5,
            **more,
        )

    report = run(on_rows=kill_an_actor)
    assert killed
    assert (report.done, report.errors) == (57, {"NotAnImageError": 3})
    rows = {row["input"]: Row(**row) for row in table(tmp_path / "out")}
    assert len(table(tmp_path / "out")) == len(rows)
    assert sorted(rows) == keys
    assert [key for key in keys if rows[key].status == "failed"] == [keys[number] for number in broken]
    shards = {row.output.partition("/")[0] for row in rows.values() if row.output}
    assert {path.name for path in (tmp_path / "out").glob("shard-*")} == shards


def test_a_cluster_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    photographs(tmp_path / "in", 1)
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SetupError, match=rf"No cluster of Ray answers at {address} \(.*\): start one with"):
            run_batch(tmp_path / "in", tmp_path / "out", engine="ray", cluster=Cluster(address))


def test_a_worker_that_no_machine_has_room_for_is_said() -> None:
    machines = [{"Resources": {"CPU": 8.0}}, {"Resources": {"CPU": 4.0, "GPU": 1.0}}]
    on_ray._require_room(machines, {"CPU": 8, "GPU": 0})
    on_ray._require_room(machines, {"CPU": 4, "GPU": 1})
    with pytest.raises(OptionError, match=r"No machine .* has 8 processors and 1 GPUs .* at most 8 and 1, give fewer"):
        on_ray._require_room(machines, {"CPU": 8, "GPU": 1})


def test_numbers_of_workers_are_checked() -> None:
    with pytest.raises(OptionError, match="There are no 0 workers"):
        Cluster(workers=0)
    with pytest.raises(OptionError, match="There are no -1 GPUs"):
        Cluster(worker_gpus=-1)
