"""`tuft serve` answers for the default preset as soon as it can; the other models follow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.calling import random_images, wait_until
from support.serving import announcement, loading_model, model_processes, next_line, serving
from support.tiny import seal, tiny_repository
from tritonclient import grpc

from tuft.errors import SetupError
from tuft.serve import ServeOptions, serve

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("nothing_left_behind")]


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    """Three models, of which the default preset's is the second."""
    repository = tiny_repository(tmp_path / "repository", sizes=(384, 1024, 1536))
    return ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)


def replace_model(options: ServeOptions, size: int, source: str) -> None:
    version = options.repository / f"inspyrenet_{size}" / "1"
    (version / "model.py").write_text(source)
    seal(version)


def wait_until_loading(program: subprocess.Popen[str]) -> None:
    """Until the second model has a process."""
    wait_until(lambda: len(model_processes(program)) == 2)


def test_the_default_presets_model_answers_before_the_others_are_loaded(options: ServeOptions) -> None:
    replace_model(options, 384, loading_model("time.sleep(2)"))
    with serving(options) as (program, caller):
        with pytest.raises(grpc.InferenceServerException) as failure:
            caller.ask(random_images(1))
        assert failure.value.status() == "StatusCode.NOT_FOUND"
        wait_until_loading(program)
        assert caller.client.is_server_ready()
        assert caller.ask(random_images(1, 1024)).shape == (1, 1024, 1024)
        assert not caller.client.is_model_ready("inspyrenet_384")
        assert [next_line(program), next_line(program)] == ["inspyrenet_384 is ready.", "inspyrenet_1536 is ready."]
        for size in (384, 1024, 1536):
            assert caller.ask(random_images(1, size)).shape == (1, size, size)
        program.terminate()
        assert program.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("raise RuntimeError('It is broken.')", "RuntimeError: It is broken"),
        ("os.abort()", "Stub process 'inspyrenet_384_0_0' is not healthy"),
    ],
    ids=["raises", "dies"],
)
def test_one_of_the_others_that_cannot_be_loaded_is_told_once_and_left_out(
    options: ServeOptions, behave: str, reason: str
) -> None:
    replace_model(options, 384, loading_model(behave))
    with serving(options) as (program, caller):
        assert next_line(program).startswith(
            f"tritonserver cannot load inspyrenet_384 and goes on without it: {reason} (all of it in "
        )
        assert next_line(program) == "inspyrenet_1536 is ready."
        assert caller.client.is_server_ready()
        for size in (1024, 1536):
            assert caller.ask(random_images(1, size)).shape == (1, size, size)
        with pytest.raises(grpc.InferenceServerException, match="has no available versions"):
            caller.ask(random_images(1))
        program.terminate()
        assert program.wait(timeout=30) == 0


def test_the_first_that_cannot_be_loaded_is_an_error(options: ServeOptions) -> None:
    replace_model(options, 1024, loading_model("raise RuntimeError('It is broken.')"))
    with pytest.raises(SetupError, match=r"^tritonserver could not start: RuntimeError: It is broken"):
        serve(options)


def test_a_model_that_takes_the_memory_of_another_is_left_out_when_the_server_is_started_anew(
    options: ServeOptions,
) -> None:
    replace_model(options, 384, loading_model("time.sleep(10)"))
    with serving(options) as (program, caller):
        wait_until_loading(program)
        model_processes(program)[0].kill()
        told = announcement(program)
        assert told[0].endswith("starting the server anew, without inspyrenet_384.")
        assert told[2] == "Serving inspyrenet_1024 (inspyrenet_1536 to follow):"
        assert caller.ask(random_images(1, 1024)).shape == (1, 1024, 1024)
        assert next_line(program) == "inspyrenet_1536 is ready."
        program.terminate()
        assert program.wait(timeout=30) == 0


def test_a_signal_ends_it_while_a_model_is_loaded(options: ServeOptions) -> None:
    replace_model(options, 384, loading_model("time.sleep(3)"))
    with serving(options) as (program, _):
        wait_until_loading(program)
        program.terminate()
        assert program.wait(timeout=30) == 0
        assert program.stdout is not None
        assert program.stdout.read() == ""
