"""Fetches a picture that a stranger names by its URL, without being led into the own network.

A name is resolved once, and only if all of its addresses are public is one of them connected to: nothing is resolved
again between the check and the connection. Redirects are followed by hand, each with the same checks. There is one
error for all causes, so that an answer reveals nothing about the network.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import httpx

from tuft_gateway.addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tuft_gateway.addresses import Address

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PORTS: Final = {"http": 80, "https": 443}
_LONGEST_URL: Final = 2048


class FetchError(Exception):
    """The picture was not fetched; the cause stays inside."""


class Resolve(Protocol):
    """Resolves a name to all of its addresses."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`; raises OSError if there are none."""
        ...


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of `host`, by this machine's resolver."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches pictures named by a URL.

    Args:
        max_bytes: The largest picture.
        timeout_s: Seconds for all of it: names, connections, redirects and the body.
        resolve: Resolves names.
        allowed: Which addresses may be connected to.
        ports: The ports that may be connected to.
    """

    def __init__(
        self,
        max_bytes: int,
        timeout_s: float,
        *,
        resolve: Resolve = resolve,
        allowed: Callable[[Address], bool] = is_public,
        ports: Collection[int] = tuple(_PORTS.values()),
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._allowed = allowed
        self._ports = ports

    async def fetch(self, url: str) -> bytes:
        """The body at `url`.

        Raises:
            FetchError: For whatever reason.
        """
        try:
            with anyio.fail_after(self._timeout_s):
                return await self._followed(url)
        except FetchError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
            raise FetchError(type(exc).__name__) from exc

    async def _followed(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            target = checked_url(url)
            if (target.port or _PORTS[target.scheme]) not in self._ports:
                raise FetchError("another port")
            body, url = await self._once(target)
            if body is not None:
                return body
        raise FetchError("too many redirects")

    async def _once(self, url: httpx.URL) -> tuple[bytes | None, str]:
        """The body at `url`, or None and where it redirects to."""
        address = await self._address(url)
        # No proxy of the environment, no cookies, no authorisation: a client that lives for one request.
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._timeout_s) as client:
            request = client.build_request(
                "GET",
                url.copy_with(host=address),
                # Compressed bodies would have to be bounded twice, and pictures are compressed anyway.
                headers={"Host": url.netloc.decode("ascii"), "User-Agent": "tuft", "Accept-Encoding": "identity"},
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            response = await client.send(request, stream=True)
            try:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    return None, str(url.join(response.headers["location"]))
                return await self._body(response), ""
            finally:
                await response.aclose()

    async def _address(self, url: httpx.URL) -> str:
        """An address of the host of `url`, all of which have been checked."""
        found = await self._resolve(url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
        addresses = [ipaddress.ip_address(text) for text in found]
        if not addresses or not all(map(self._allowed, addresses)):
            raise FetchError("an address is not public")
        return str(addresses[0])

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise FetchError(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError("the body is compressed")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > self._max_bytes:
                raise FetchError("the body is too large")
        return bytes(content)


def checked_url(text: str) -> httpx.URL:
    """Parses a URL that may be fetched.

    Raises:
        FetchError: It is none: another scheme, a user, or no host.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as exc:
        raise FetchError("no URL") from exc
    if len(text) > _LONGEST_URL or url.scheme not in _PORTS or not url.host or url.userinfo:
        raise FetchError("no URL that may be fetched")
    return url.copy_with(fragment=None)
