"""Write host names and IP addresses as in URLs and `Host` headers."""

from __future__ import annotations

from ipaddress import ip_address

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - addresses to bind to, no names


def canonical(host: str) -> str:
    """Return a host name in lower case; an IP address in its shortest form, without a zone."""
    try:
        return ip_address(host.partition("%")[0]).compressed
    except ValueError:
        return host.lower()


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine itself reaches a server that is bound to a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that is bound to a host."""
    if canonical(host) in EVERY_ADDRESS:
        host = "::1" if ":" in host else LOOPBACK
    name = f"[{host.replace('%', '%25')}]" if ":" in host else host
    return f"http://{name}:{port}"
