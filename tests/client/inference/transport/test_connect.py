"""Which transport an address means, with a distribution that registers one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.triton_double import Double

from tuft import Client, TritonTransport, load_settings
from tuft.inference.transport.connect import answers, connect, transport_name
from tuft.plugins import plugin


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution whose transport is called `echo`, and one whose module is missing."""
    (tmp_path / "echoing.py").write_text(
        "import tuft\n"
        "class Echo(tuft.FakeTransport):\n"
        "    def __init__(self, rest):\n"
        "        super().__init__(version=rest or 'none')\n"
    )
    folder = tmp_path / "echoing-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: echoing\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[tuft.transports]\necho = echoing:Echo\ngone = not_there:Gone\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin.cache_clear()
    yield
    plugin.cache_clear()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("echo", "echo"),
        (" echo ", "echo"),
        ("echo:/srv/models", "echo"),
        ("echo:models", "echo"),
        ("echo:C:\\models", "echo"),
        ("echo:8001", None),
        ("echo:8001/", None),
        ("grpc://echo", None),
        ("echo://models", None),
        ("Echo", None),
        ("gone", None),
        ("gpubox", None),
        ("localhost", None),
        ("localhost:8001", None),
        ("[::1]:8001", None),
        ("10.0.0.1", None),
    ],
)
def test_an_address_means_a_server_unless_its_name_is_registered(registered: None, url: str, name: str | None) -> None:
    assert transport_name(url) == name


def test_a_client_uses_what_is_registered_and_hands_on_the_rest(
    registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, rest in (("echo", "none"), ("echo:/srv/models", "/srv/models")):
        with Client(url) as client:
            assert client.transport.server_info().version == rest
    monkeypatch.setenv("TUFT_URL", "echo")
    with Client(settings=load_settings()) as client:
        assert not isinstance(client.transport, TritonTransport)
    assert isinstance(connect("gpubox"), TritonTransport)


def test_whether_a_server_answers(server: str, double: Double, closed_port: int) -> None:
    assert answers(server)
    assert not answers(f"localhost:{closed_port}")


def test_something_else_that_listens_is_no_server(tmp_path: Path) -> None:
    import http.server
    import threading

    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        assert not answers(f"127.0.0.1:{stranger.server_port}")
        stranger.shutdown()


def test_the_project_registers_its_own() -> None:
    text = (Path(__file__).parents[4] / "pyproject.toml").read_text()
    groups = dict(re.findall(r'^\[project\.entry-points\."(.+?)"\]\n(.+)$', text, re.MULTILINE))
    assert groups == {
        "tuft.transports": 'local = "tuft_local:connect"',
        "tuft.repositories": 'demo = "tuft_export.publishing.demo:demo_repository"',
    }
