"""Pictures are fetched from public addresses only, bounded in time and bytes, whatever a stranger's server does."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.gateway import Website

from tuft_gateway.addresses import Address, is_public
from tuft_gateway.fetch import MAX_REDIRECTS, Fetcher, FetchError

LIMIT = 100_000


@pytest.fixture
def site() -> Iterator[Website]:
    made = Website()
    yield made
    made.close()


class Names:
    """A resolver that answers from a list, each name's next answer, and counts."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(each) for name, each in answers.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers.get(host)
        if not answers:
            raise socket.gaierror(f"no {host}")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def here(address: Address) -> bool:
    """The website's own address counts as public; the rest of loopback does not."""
    return str(address) == "127.0.0.1" or is_public(address)


def fetcher(site: Website, names: Names | None = None, **options: Any) -> Fetcher:
    chosen = {
        "resolve": names or Names(pictures_test=[["127.0.0.1"]]),
        "allowed": here,
        "ports": (site.port,),
        **options,
    }
    return Fetcher(LIMIT, chosen.pop("timeout_s", 5.0), **chosen)


def fetched(url: str, by: Fetcher) -> bytes:
    return asyncio.run(by.fetch(url))


def refused(url: str, by: Fetcher) -> str:
    with pytest.raises(FetchError) as caught:
        fetched(url, by)
    return str(caught.value)


def test_a_picture_is_fetched_with_the_name_of_its_host_and_nothing_of_ours(
    site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    url = site.answers("/cat.png?size=1", b"picture")
    assert fetched(url, fetcher(site)) == b"picture"
    path, headers = site.asked[0]
    assert path == "/cat.png?size=1"
    assert headers["Host"] == f"pictures.test:{site.port}"
    assert not {"Cookie", "Authorization", "Referer", "X-Forwarded-For"} & headers.keys()


def test_without_the_seam_loopback_is_not_asked(site: Website) -> None:
    url = site.answers("/secret", b"inside")
    for host in (
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:7f00:1]",
    ):
        refused(url.replace("pictures.test", host), Fetcher(LIMIT, 5.0, ports=(site.port,)))
    assert site.asked == []


def test_one_address_inside_is_enough_to_refuse_a_name(site: Website) -> None:
    url = site.answers("/a", b"x")
    for answers in (["127.0.0.1", "10.0.0.1"], ["::ffff:127.0.0.1", "127.0.0.1"], ["169.254.169.254"], []):
        refused(url, fetcher(site, Names(pictures_test=[answers])))
    assert site.asked == []


def test_a_name_is_resolved_once_so_its_second_answer_is_never_used(site: Website) -> None:
    names = Names(pictures_test=[["127.0.0.1"], ["127.0.0.2"]])
    assert fetched(site.answers("/a", b"x"), fetcher(site, names)) == b"x"
    assert names.asked == ["pictures.test"]


def test_every_redirect_is_checked_like_the_first_url(site: Website) -> None:
    names = Names(pictures_test=[["127.0.0.1"]], inside_test=[["10.0.0.1"]])
    by = fetcher(site, names)
    for target in (
        f"http://127.0.0.2:{site.port}/secret",
        f"http://inside.test:{site.port}/secret",
        "http://pictures.test:22/",
        "file:///etc/passwd",
        "gopher://pictures.test/",
        "//169.254.169.254/latest/meta-data/",
        f"http://user@pictures.test:{site.port}/secret",
    ):
        refused(site.redirects("/start", target), by)
    assert {path for path, _ in site.asked} == {"/start"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_with_the_same_care(site: Website, status: int) -> None:
    site.answers("/end", b"x")
    assert fetched(site.redirects("/start", "/end", status), fetcher(site)) == b"x"


def test_five_redirects_are_followed_and_not_six(site: Website) -> None:
    site.answers("/0", b"x")
    for number in range(1, MAX_REDIRECTS + 2):
        site.redirects(f"/{number}", f"/{number - 1}")
    assert fetched(site.url(f"/{MAX_REDIRECTS}"), fetcher(site)) == b"x"
    refused(site.url(f"/{MAX_REDIRECTS + 1}"), fetcher(site))
    refused(site.redirects("/loop", "/loop"), fetcher(site))


def test_bytes_are_counted_whatever_the_length_that_is_claimed(site: Website) -> None:
    assert fetched(site.answers("/fits", bytes(LIMIT)), fetcher(site)) == bytes(LIMIT)
    refused(site.answers("/large", bytes(LIMIT + 1)), fetcher(site))
    refused(site.answers("/claims-more", b"x", Content_Length="900000"), fetcher(site, timeout_s=1.0))
    chunked = b"%x\r\n%s\r\n" % (LIMIT, bytes(LIMIT))

    def endless(request: Any) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            request.wfile.write(chunked)

    refused(site.does("/endless", endless), fetcher(site))


def test_compressed_bodies_are_not_expanded(site: Website) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < LIMIT
    refused(site.answers("/bomb", bomb, Content_Encoding="gzip"), fetcher(site))


def test_a_server_that_drips_is_left_after_the_deadline(site: Website) -> None:
    began_s = time.monotonic()
    refused(site.drips("/drip", 0.02), fetcher(site, timeout_s=0.5))
    assert time.monotonic() - began_s < 20  # it would drip for half an hour


def test_errors_of_the_server_are_failures(site: Website) -> None:
    for status in (204, 206, 300, 304, 400, 404, 500):
        refused(site.answers(f"/{status}", b"", status), fetcher(site))
    refused(site.redirects("/nowhere", "http://[broken"), fetcher(site))


@pytest.mark.parametrize(
    "url",
    [
        "", "pictures.test", "/etc/passwd", "file:///etc/passwd", "ftp://pictures.test/", "data:image/png;base64,AA",
        "http://", "http:///a", "http://user:password@pictures.test/", "http://pictures.test:99999/", "http://[::1",
        "http://pictures.test\r\nX: y/", "http://pictures.test/\x00", "javascript:alert(1)", "http://" + "a" * 3000,
        "dict://127.0.0.1:6379/info", "unix:///var/run/docker.sock", "http://\u2488.test/",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused_before_anything_is_resolved(url: str, site: Website) -> None:
    names = Names()
    refused(url, fetcher(site, names))
    assert names.asked in ([], ["1.test"], ["1..test"])
    assert site.asked == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=pictures.test", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context, names_asked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _socket, name, _context: names_asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with pytest.raises(ssl.SSLError), connection:
                context.wrap_socket(connection, server_side=True)

        greeting = threading.Thread(target=greet)
        greeting.start()
        port = listener.getsockname()[1]
        by = Fetcher(LIMIT, 5.0, resolve=Names(pictures_test=[["127.0.0.1"]]), allowed=here, ports=(port,))
        refused(f"https://pictures.test:{port}/", by)  # nobody has signed this certificate
        greeting.join()
    assert names_asked == ["pictures.test"]
