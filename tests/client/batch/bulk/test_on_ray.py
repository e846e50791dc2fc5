"""A batch on Ray Data, on a cluster of this machine: broken photographs, an actor that is killed, and what is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.buckets import photographs, table
from support.tiny import tiny_repository

from tuft import Settings
from tuft.batch.bulk import BatchOptions, Cluster, Row, run_batch
from tuft.errors import OptionError


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


def test_numbers_of_workers_are_checked() -> None:
    with pytest.raises(OptionError, match="There are no 0 workers"):
        Cluster(workers=0)
    with pytest.raises(OptionError, match="There are no -1 GPUs"):
        Cluster(worker_gpus=-1)
