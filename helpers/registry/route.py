"""The way to a server: TLS with the authorities that this machine trusts, and its proxy."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import ssl
import urllib.parse
from pathlib import Path

from helpers import host
from helpers.registry.address import hostname, is_loopback

# Where Docker takes a registry's own authority from:
# https://docs.docker.com/engine/security/certificates/
_DOCKER_CERTIFICATES = Path("/etc/docker/certs.d")


def connection_to(origin: str, timeout: float) -> http.client.HTTPConnection:
    """Return a connection that is still to be opened.

    Arguments:
        origin: scheme, host and port, as a URL.
        timeout: seconds that each step of opening it may take.
    """
    parts = urllib.parse.urlsplit(origin)
    name = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(name, parts.port, timeout=timeout)
    context = _tls(parts.netloc)
    proxy = _proxy(parts.netloc)
    if not proxy:
        return http.client.HTTPSConnection(name, parts.port, timeout=timeout, context=context)
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout, context=context)
    connection.set_tunnel(name, parts.port or 443, _proxy_login(proxy))
    return connection


def _tls(netloc: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    own = sorted((_DOCKER_CERTIFICATES / netloc).glob("*.crt"))
    for file in [bundle for bundle in (host.settings().ca, *own) if bundle]:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ssl.SSLError):
            continue  # `invoke doctor` reports a bundle that can not be read.
    return context


def _proxy(netloc: str) -> urllib.parse.SplitResult | None:
    proxies = dict(host.settings().proxies)
    proxy = proxies.get("https_proxy") or proxies.get("all_proxy")
    if not proxy or is_loopback(hostname(netloc)) or reached_directly(netloc, proxies.get("no_proxy", "")):
        return None
    return urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def reached_directly(netloc: str, no_proxy: str) -> bool:
    """Say whether a variable `no_proxy` names the server `netloc`: `*`, a domain and all below it, or a network."""
    name = hostname(netloc)
    for item in (part.strip().lstrip(".") for part in no_proxy.split(",")):
        if item in ("*", name, netloc) or (item and name.endswith(f".{item}")):
            return True
        try:
            if ipaddress.ip_address(name) in ipaddress.ip_network(item):
                return True
        except ValueError:
            continue
    return False


def _proxy_login(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
