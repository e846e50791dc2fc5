"""A gateway in this process, before a server whose network is perfect for the scene."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from starlette.testclient import TestClient
from support.gateway import decoding_here

from tuft_gateway import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Scene  # type: ignore[import-not-found]
    from fastapi import FastAPI

    from tuft import Client


@pytest.fixture
def photograph(scene: Scene) -> bytes:
    """The scene as a PNG."""
    file = io.BytesIO()
    Image.fromarray(scene.rgb).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def app(client: Client) -> FastAPI:
    return decoding_here(create_app(client))


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    """A caller on this machine."""
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000)) as made:
        yield made
