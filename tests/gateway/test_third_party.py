"""Clients of remove.bg that others have published work unchanged but for the address, with every option they offer."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from support.gateway import Website, live_gateway
from support.third_party import from_npm, from_pypi, run_node, run_python

from tuft import Client, Cutout
from tuft_gateway import GatewayOptions
from tuft_gateway.fetch import Fetcher


@pytest.fixture
def site(photograph: bytes) -> Iterator[Website]:
    made = Website()
    made.answers("/dog.png", photograph)
    yield made
    made.close()


@pytest.fixture
def base(app: FastAPI, site: Website) -> Iterator[str]:
    """The address to change to; names of the internet lead to `site`."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    app.state.service.fetcher = Fetcher(
        10**7, 10.0, resolve=resolve, allowed=lambda address: address.is_loopback, ports=(site.port,)
    )
    with live_gateway(app, GatewayOptions()) as (host, port):
        yield f"http://{host}:{port}/v1.0"


@pytest.fixture
def files(tmp_path: Path, photograph: bytes, site: Website) -> dict[str, str]:
    """What the scripts are told: the photograph in every form, and where to write."""
    (tmp_path / "dog.png").write_bytes(photograph)
    encoded = base64.b64encode(photograph).decode()
    return {
        "file": str(tmp_path / "dog.png"),
        "b64": encoded,
        "url": site.url("/dog.png"),
        "out": str(tmp_path),
    }


@pytest.fixture
def cutout(client: Client, photograph: bytes) -> Cutout:
    """What the answers are compared with."""
    return client.remove(photograph)


def test_pypi_removebg(base: str, files: dict[str, str], cutout: Cutout, tmp_path: Path) -> None:
    script = """
import removebg.removebg as library
library.API_ENDPOINT = values["base"] + "/removebg"
client = library.RemoveBg("key", values["out"] + "/errors.log")
client.remove_background_from_img_file(values["file"])
client.remove_background_from_img_file(values["file"], size="4k", bg_color=None)
client.remove_background_from_img_url(values["url"], "hd", values["out"] + "/url.png")
client.remove_background_from_base64_img(values["b64"], "regular", values["out"] + "/b64.jpg", bg_color="ff0000")
"""
    run_python(from_pypi("removebg", "0.04"), script, base=base, **files)
    transparent = cutout.to_bytes("png")
    assert (tmp_path / "dog.png_no_bg.png").read_bytes() == transparent
    assert (tmp_path / "url.png").read_bytes() == transparent
    assert (tmp_path / "b64.jpg").read_bytes() == cutout.to_bytes("jpeg", background="#ff0000")


def test_pypi_remove_bg_api(base: str, files: dict[str, str], cutout: Cutout, tmp_path: Path) -> None:
    script = """
import remove_bg_api as library
library.API_URL = values["base"]
client = library.RemoveBg("key")
assert client.account.get_balance_dict()["total"] == client.account.balance()
assert isinstance(client.account.free_api_calls(), int)
photograph = open(values["file"], "rb").read()
for name, answer in {
    "bytes": client.remove_bg_bytes(photograph),
    "file": client.remove_bg_file(values["file"], size="full"),
    "url": client.remove_bg_url(values["url"]),
    "b64": client.remove_bg_base64(values["b64"], size="auto"),
    "grey": client.remove_bg_bytes(photograph, data={"channels": "alpha", "size": "full"}),
}.items():
    open(values["out"] + "/" + name, "wb").write(answer)
assert client.remove_bg_file(values["file"], raw=False, out_path=values["out"] + "/path") == values["out"] + "/path"
try:
    client.remove_bg_bytes(photograph, data={"size": "huge"})
except library.Errors.ApiErrorCode400:
    pass
else:
    raise SystemExit("a size that does not exist was taken")
"""
    run_python(from_pypi("remove-bg-api", "0.2.1"), script, base=base, **files)
    transparent = cutout.to_bytes("png")
    for name in ("bytes", "file", "url", "b64", "path"):
        assert (tmp_path / name).read_bytes() == transparent
    assert np.array_equal(np.asarray(Image.open(tmp_path / "grey")), cutout.alpha)


def test_pypi_remove_bg(base: str, files: dict[str, str], cutout: Cutout, tmp_path: Path) -> None:
    # Written for Python 3.9; what it imports for making accounts on the website is not used by its API.
    script = """
import collections, collections.abc, sys, types
collections.Callable = collections.abc.Callable
for name, inside in {"bs4": ["BeautifulSoup"], "tempmail": ["Tempmail"],
                     "python_anticaptcha": ["AnticaptchaClient", "NoCaptchaTaskProxylessTask"]}.items():
    sys.modules[name] = types.SimpleNamespace(**dict.fromkeys(inside))
from removebg import APIException, RemoveBg, constants
constants.API_ENDPOINT = values["base"] + "/"
client = RemoveBg("key")
def keep(name, answer):
    open(values["out"] + "/" + name, "wb").write(answer)
keep("file", client.remove_background_from_file(values["file"], size="full", crop=False, semitransparency=True))
keep("url", client.remove_background_from_url(values["url"], size="full"))
keep("b64", client.remove_background_from_base64(values["b64"], size="full", format="jpg", bg_color="blue"))
with open(values["file"], "rb") as background:
    keep("over", client.remove_background_from_file(values["file"], size="full", bg_image_file=background))
keep("cropped", client.remove_background_from_file(values["file"], size="full", crop=True, crop_margin="10%"))
try:
    client.remove_background_from_file(values["file"], scale="1000%")
except APIException as error:
    assert error.status_code == 400 and "scale" in str(error), error
else:
    raise SystemExit("a scale that does not exist was taken")
"""
    run_python(from_pypi("remove-bg", "0.2.1"), script, base=base, **files)
    transparent = cutout.to_bytes("png")
    assert (tmp_path / "file").read_bytes() == transparent
    assert (tmp_path / "url").read_bytes() == transparent
    assert (tmp_path / "b64").read_bytes() == cutout.to_bytes("jpeg", background="blue")
    assert (tmp_path / "over").read_bytes() == cutout.to_bytes("jpeg", background=files["file"])
    assert (tmp_path / "cropped").read_bytes() == cutout.cropped("10%").to_bytes("png")


def test_pypi_rembgpy(base: str, files: dict[str, str], cutout: Cutout, tmp_path: Path) -> None:
    script = """
import itertools
from rembgpy import bg
bg.base_url = values["base"] + "/removebg"
client = bg.RemBg("key", values["out"] + "/errors.log")
client.remove_img(values["url"], nfn=values["out"] + "/url")  # roi is "0 0 100% 100%"
client.remove_b64(values["b64"], size="full", crop="5%", nfn=values["out"] + "/cropped")
client.remove_b64(values["b64"], scale="50%", position="0% 100%", nfn=values["out"] + "/placed")
client.remove_b64(values["b64"], format="zip", nfn=values["out"] + "/zip")
client.remove_b64(values["b64"], shadow=True, semitransparency=False, nfn=values["out"] + "/shadow")
client.remove_b64(values["b64"], bg="white", bg_type="color", nfn=values["out"] + "/white")
client.remove_b64(values["b64"], bg=values["url"], bg_type="url", format="png", nfn=values["out"] + "/over")
for size in ["auto", "preview", "small", "regular", "medium", "hd", "full", "4k"]:
    client.remove_b64(values["b64"], size=size, nfn=values["out"] + "/" + size)
for kind in ["person", "product", "animal", "car", "car_interior", "car_part", "transportation", "graphics", "other"]:
    client.remove_b64(values["b64"], type=kind, type_level="latest", nfn=values["out"] + "/" + kind)
"""
    run_python(from_pypi("rembgpy", "1.0.1"), script, base=base, **files)
    transparent = cutout.to_bytes("png")
    for name in ["url", "auto", "preview", "small", "regular", "medium", "hd", "full", "4k", "person", "other"]:
        assert (tmp_path / name).read_bytes() == transparent
    assert (tmp_path / "cropped").read_bytes() == cutout.cropped("5%").to_bytes("png")
    assert (tmp_path / "placed").read_bytes() == cutout.placed("50%", "0% 100%").to_bytes("png")
    assert (tmp_path / "zip").read_bytes() == cutout.to_bytes("zip")
    assert (tmp_path / "shadow").read_bytes() == cutout.with_shadow("natural").to_bytes("png")
    assert (tmp_path / "white").read_bytes() == cutout.to_bytes("jpeg", background="white")
    assert (tmp_path / "over").read_bytes() == cutout.to_bytes("png", background=files["file"])


def test_npm_remove_bg(base: str, files: dict[str, str], cutout: Cutout, tmp_path: Path) -> None:
    script = """
const assert = require("assert"), fs = require("fs"), path = require("path"), Module = require("module");
const file = require.resolve("remove.bg");
const library = new Module(file);
library.filename = file;
library.paths = Module._nodeModulePaths(path.dirname(file));
library._compile(fs.readFileSync(file, "utf8").replace("https://api.remove.bg/v1.0", values.base), file);
const client = library.exports;
const out = (name) => path.join(values.out, name);
(async () => {
  const described = await client.removeBackgroundFromImageUrl(
      {url: values.url, apiKey: "key", size: "full", outputFile: out("url")});
  assert.equal(described.resultWidth, "160");
  assert.equal(described.resultHeight, "120");
  assert.equal(described.detectedType, "other");
  assert.equal(parseInt(described.creditsCharged), 0);
  await client.removeBackgroundFromImageFile({path: values.file, apiKey: "key", outputFile: out("file")});
  await client.removeBackgroundFromImageBase64(
      {base64img: values.b64, apiKey: "key", size: "full", type: "animal", outputFile: out("b64")});
  await client.removeBackgroundFromImageBase64(
      {base64img: values.b64, apiKey: "key", crop: true, crop_margin: "10px", outputFile: out("cropped")});
  await client.removeBackgroundFromImageFile(
      {path: values.file, apiKey: "key", scale: "50%", position: "center", roi: "0% 0% 100% 100%",
       channels: "rgba", add_shadow: false, bg_color: "00ff00", outputFile: out("green")});
  await client.removeBackgroundFromImageFile(
      {path: values.file, apiKey: "key", bg_image_url: values.url, outputFile: out("over")});
  const errors = await client.removeBackgroundFromImageUrl({url: "http://127.0.0.1:1/", apiKey: "key"})
      .then(() => assert.fail("taken"), (errors) => errors);
  assert.equal(errors[0].code, "failed_image_download");
})().catch((error) => { console.error(error); process.exit(1); });
"""
    run_node(from_npm("remove.bg", "1.3.0"), script, base=base, **files)
    transparent = cutout.to_bytes("png")
    for name in ("url", "file", "b64"):
        assert (tmp_path / name).read_bytes() == transparent
    assert (tmp_path / "cropped").read_bytes() == cutout.cropped("10px").to_bytes("png")
    assert (tmp_path / "green").read_bytes() == cutout.placed("50%", "center").to_bytes("jpeg", background="#00ff00")
    assert (tmp_path / "over").read_bytes() == cutout.to_bytes("jpeg", background=files["file"])


def test_what_the_ruby_gem_and_the_node_command_line_do_with_a_zip(
    base: str, photograph: bytes, cutout: Cutout
) -> None:
    """Both ask for a zip where a png is wanted, and put colour and alpha together themselves (remove-bg/ruby 2.2.1,
    remove-bg/remove-bg-cli 2.0.3). The requests are built as their sources build them."""
    data = {"size": "auto", "format": "zip", "type": "auto"}
    answer = httpx.post(f"{base}/removebg", data=data, files={"image_file": ("dog.png", photograph)})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["alpha.png", "color.jpg"]
        colour = np.asarray(Image.open(io.BytesIO(archive.read("color.jpg"))))
        alpha = np.asarray(Image.open(io.BytesIO(archive.read("alpha.png"))))
    assert np.array_equal(alpha, cutout.alpha)
    inside = alpha == 255
    assert np.abs(colour[inside].astype(int) - cutout.rgba[inside][:, :3]).mean() < 3  # JPEG


def test_the_headers_and_errors_that_the_real_service_was_recorded_with(base: str, photograph: bytes) -> None:
    """The names in the recorded answers of remove-bg/ruby (spec/fixtures/vcr_cassettes, 2020), and what its client and
    Go's (remove-bg/go) read of them: `errors[0].title`, numbers in X-Width, X-Height and X-Credits-Charged."""
    answer = httpx.post(f"{base}/removebg", data={"size": "auto"}, files={"image_file": ("dog.png", photograph)})
    recorded = {"X-Width": "160", "X-Height": "120", "X-Max-Width": "160", "X-Max-Height": "120"}
    assert {name: answer.headers[name] for name in recorded} == recorded
    assert float(answer.headers["X-Credits-Charged"]) == 0
    assert answer.headers["X-Type"] == "other"
    missing = httpx.post(f"{base}/removebg", data={"image_url": "http://example.com/404.png", "size": "auto"})
    assert missing.status_code == 400
    assert missing.headers["content-type"].startswith("application/json")
    assert missing.json()["errors"][0]["title"].startswith("Failed to download")
    account = httpx.get(f"{base}/account", headers={"X-Api-Key": "key"}).json()["data"]["attributes"]
    assert account["credits"].keys() == {"total", "subscription", "payg", "enterprise"}
    assert account["api"].keys() == {"free_calls", "sizes"}
