"""Versions rolled out and withdrawn on the real server, started by deploy/triton.sh, while requests flow."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.calling import Caller, wait_until
from support.production import KEY, Production, production_server
from support.tiny import misbehaving_model, seal, tiny_repository

from tuft import Client, Settings
from tuft.cli.main import main
from tuft.errors import ModelUnavailableError, OptionError, ServerUnreachableError
from tuft.operations.rollout import Guards, Plan, Rollout, RolloutController, read_plan
from tuft.operations.rollout.model_control import ModelControl

pytestmark = pytest.mark.server

MODEL = "inspyrenet_384"
SENDERS = 4
SMALL: dict[str, Any] = {"size": 384, "refine": "none"}
GUARDS = Guards(min_requests=3, p95_ratio=20)  # on a busy machine that has two cores, latency is anything

# The warm-up picture has a grey corner and is answered well. Photographs, which have a black corner, are not.
PICTURE = "images[0, 0, 0, 0].any()"
MEAN = "(images.mean(-1) / 255).astype(np.float32)"
ZEROS = "np.zeros(images.shape[:3], np.float32)"
BLANK = misbehaving_model("pass").replace(ZEROS, f"{MEAN} if {PICTURE} else {ZEROS}")
# All subject but for a corner of one pixel.
OPAQUE = misbehaving_model("pass").replace(
    ZEROS, f"{MEAN} if {PICTURE} else (np.arange(images[..., 0].size).reshape(images.shape[:3]) > 0).astype(np.float32)"
)
RAISING = misbehaving_model(f"assert {PICTURE}, 'it fails'").replace(ZEROS, MEAN)
HANGING = misbehaving_model(f"time.sleep(0 if {PICTURE} else 2)").replace(ZEROS, MEAN)


@dataclass
class Served:
    """A server, its repository and the versions that were published after the first."""

    production: Production
    repository: Path
    last: int = 1

    @property
    def url(self) -> str:
        return self.production.addresses.grpc

    @property
    def versions(self) -> list[str]:
        return list(Caller(self.url).client.get_model_metadata(MODEL).versions)

    def publish(self, model: str | None = None) -> str:
        """Another version: as good as the first, or with another `model.py`."""
        self.last += 1
        folder = self.repository / MODEL / str(self.last)
        shutil.copytree(self.repository / MODEL / "1", folder)
        if model is not None:
            (folder / "model.py").write_text(model)
        seal(folder)
        return folder.name


class Answered(NamedTuple):
    """Which version answered which customer, and when that one had asked."""

    unit: str
    version: str
    asked_s: float


@dataclass
class Flow:
    """Requests that customers send until the test is over: their answers, in order."""

    answers: list[Answered] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def counted(self, since: int) -> Counter[str]:
        """How many answers each version has given since there were so many."""
        return Counter(answer.version for answer in self.answers[since:])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    repository = tiny_repository(tmp_path_factory.mktemp("rollout") / "repository")
    folder = tmp_path_factory.mktemp("production")
    with production_server(repository, folder, TUFT_MODEL_CONTROL="explicit") as production:
        yield Served(production, repository)


@pytest.fixture(autouse=True)
def no_other_rollouts(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def controller(tmp_path: Path) -> RolloutController:
    return RolloutController(tmp_path / "state", KEY, settle_s=0.3)


@pytest.fixture
def photo(scene: Any) -> np.ndarray:
    """A white disk on black: what the mean of the channels finds."""
    return np.rint(scene.alpha[..., None] * np.full(3, 255)).astype(np.uint8)


@contextmanager
def flowing(
    url: str, state: Path, photo: np.ndarray, *, timeout_s: float = 20.0, customers: int = 10**9
) -> Iterator[Flow]:
    flow, stop, number = Flow(), threading.Event(), itertools.count()
    settings = Settings(url=url, timeout_s=timeout_s)
    with Client(settings=settings, rollout=Rollout(state, refresh_interval_s=0.1)) as client:

        def send() -> None:
            while not stop.is_set():
                unit = f"customer-{next(number) % customers}"
                asked_s = time.monotonic()
                try:
                    version = client.remove(photo, unit=unit, **SMALL).model_version
                    flow.answers.append(Answered(unit, version, asked_s))
                except Exception as error:
                    flow.errors.append(error)

        with ThreadPoolExecutor(SENDERS) as pool:
            senders = [pool.submit(send) for _ in range(SENDERS)]
            try:
                yield flow
            finally:
                stop.set()
            for sender in senders:
                sender.result()


def test_a_good_version_goes_from_one_percent_to_all_and_no_request_is_lost(
    served: Served, controller: RolloutController, photo: np.ndarray, tmp_path: Path
) -> None:
    old, new = served.versions[-1], served.publish()
    told: list[Plan] = []
    with flowing(served.url, tmp_path / "state", photo, customers=2000) as flow:
        plan = controller.start(served.repository, MODEL, new, served.url, GUARDS)
        assert (plan.old, plan.share, served.versions) == (old, 0.01, [old, new])
        ended = controller.watch(every_s=0.5, poll_interval_s=0.2, on_change=told.append)
        assert [plan.share for plan in told] == [0.1, 0.5, 1.0, 1.0]
        assert (ended.phase, served.versions) == ("finished", [new])
        finished_s, before_abort = time.monotonic(), len(flow.answers)
        wait_until(lambda: len(flow.answers) > before_abort + 50)
        seen = len(flow.answers)

        aborted = controller.abort()
        assert (aborted.phase, served.versions) == ("withdrawn", [old])
        after_abort = len(flow.answers)
        wait_until(lambda: len(flow.answers) > after_abort + 50)
    assert not flow.errors
    assert {answer.version for answer in flow.answers[:seen] if answer.asked_s > finished_s} == {new}
    assert flow.counted(after_abort)[new] <= SENDERS  # what was on its way is answered still
    asked = sorted(flow.answers[:seen], key=lambda answer: answer.asked_s)
    for unit in {answer.unit for answer in asked}:  # who has the new version keeps it, up to the abort
        versions = [answer.version for answer in asked if answer.unit == unit]
        changes = sum(a != b for a, b in itertools.pairwise(versions))
        assert changes <= 1, (unit, versions)


@pytest.mark.parametrize(
    ("model", "guards", "timeout_s"),
    [(BLANK, {"errors"}, 20.0), (RAISING, {"errors"}, 20.0),
     pytest.param(HANGING, {"errors"}, 2.0, marks=pytest.mark.slow),
     (OPAQUE, {"near_zero", "quality", "subject"}, 20.0)],
    ids=["blank", "raising", "hanging", "opaque"],
)  # fmt: skip
def test_a_bad_version_is_withdrawn_by_itself_and_no_request_fails(
    served: Served,
    controller: RolloutController,
    photo: np.ndarray,
    tmp_path: Path,
    model: str,
    guards: set[str],
    timeout_s: float,
) -> None:
    old, new = served.versions[-1], served.publish(model)
    with flowing(served.url, tmp_path / "state", photo, timeout_s=timeout_s) as flow:
        wait_until(lambda: len(flow.answers) > 10)
        controller.start(served.repository, MODEL, new, served.url, GUARDS)
        began_s, began = time.monotonic(), len(flow.answers)
        ended = controller.watch(poll_interval_s=0.2)
        took_s, requests = time.monotonic() - began_s, len(flow.answers) - began
        print(f"withdrawn after {took_s:.1f} s and {requests} requests")
        after = len(flow.answers)
        wait_until(lambda: len(flow.answers) > after + 20)
    assert (ended.phase, served.versions) == ("withdrawn", [old])
    _, verdicts = controller.status()
    assert {verdict.guard for verdict in verdicts if verdict.tripped} & guards
    assert not flow.errors
    assert flow.counted(after)[new] <= SENDERS
    if "errors" in guards:  # the new version has never had the last word
        assert {answer.version for answer in flow.answers} == {old}


def test_a_server_that_was_started_again_is_given_both_versions(
    served: Served, controller: RolloutController, photo: np.ndarray, tmp_path: Path
) -> None:
    old, new = served.versions[-1], served.publish()
    with flowing(served.url, tmp_path / "state", photo) as flow:
        controller.start(served.repository, MODEL, new, served.url, GUARDS)
        controller.promote()
        control = ModelControl.connect(served.url, KEY)
        control.serve(MODEL, [new])  # the highest, as after a start
        control.close()
        before = len(flow.answers)
        wait_until(lambda: len(flow.answers) > before + 50)
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(controller.watch, poll_interval_s=0.1, stop=stop)
            wait_until(lambda: served.versions == [old, new])
            stop.set()
            assert watching.result().phase == "running"
        controller.abort()
    assert not flow.errors
    assert served.versions == [old]


def test_what_does_not_load_or_warm_up_changes_nothing(
    served: Served, controller: RolloutController, photo: np.ndarray, tmp_path: Path
) -> None:
    old = served.versions[-1]
    with flowing(served.url, tmp_path / "state", photo) as flow:
        with pytest.raises(ModelUnavailableError, match=r"cannot load version .*; it serves what it served before\.$"):
            controller.start(served.repository, MODEL, served.publish("import nothing_of_this_name"), served.url)
        assert served.versions == [old]
        dead = served.publish(misbehaving_model("pass"))
        with pytest.raises(Exception, match=rf"Version {dead} of {MODEL} finds 0 to 0 .*: export it again\."):
            controller.start(served.repository, MODEL, dead, served.url)
        assert served.versions == [old]
    assert not flow.errors
    plan = read_plan(tmp_path / "state")
    assert plan is not None
    assert plan.phase == "withdrawn"


def test_a_wrong_key_and_a_version_that_serves_already_are_one_sentence(
    served: Served, controller: RolloutController, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="serves already: name another one"):
        controller.start(served.repository, MODEL, served.versions[-1], served.url)
    with pytest.raises(ServerUnreachableError, match="TUFT_KEY"):
        RolloutController(tmp_path / "state", "wrong", settle_s=0).start(
            served.repository, MODEL, served.publish(), served.url
        )


def test_the_command(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = served.versions[-1], served.publish()
    state = ["--state", str(tmp_path / "state")]
    key = ["--key", KEY]
    where = ["--repository", str(served.repository), "--url", served.url]
    assert main(["rollout", "start", MODEL, new, *where, *state, *key, "--detach"]) == 0
    assert f"version {new} is given 1%" in capsys.readouterr().out
    another = ["--state", str(tmp_path / "another")]
    assert main(["rollout", "start", MODEL, served.publish(), *where, *another, *key, "--detach"]) == 1
    refused = capsys.readouterr().err
    assert refused == (
        f"tuft: A rollout of {MODEL} to version {new} is running on {served.url} with --state {tmp_path / 'state'}: "
        "finish or abort that one first.\n"
    )
    assert main(["rollout", "status", *state]) == 0
    assert "requests that failed" in capsys.readouterr().out
    assert main(["rollout", "promote", "--all", *state, *key]) == 0
    assert main(["rollout", "promote", *state, *key]) == 0
    assert f"version {new} serves all requests" in capsys.readouterr().out
    assert served.versions == [new]
    assert main(["rollout", "abort", *state, *key]) == 0
    assert f"Delete {MODEL}/{new}" in capsys.readouterr().out
    assert served.versions == [old]
