"""What a URL must be before avsync talks to it: https, or plain http on a loopback address."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit


def is_loopback(host: str | None) -> bool:
    """127.0.0.0/8, ::1 and the name localhost; no other name, whatever it resolves to."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem_with_url(url: str) -> str | None:
    """The text key of what is wrong with a service's address, or None."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return "url_form"
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return "url_extras"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "url_plain_http"
    return None


def problem_with_redirect(url: str) -> str | None:
    """The text key of what is wrong with the redirect URI: avsync must be able to listen there itself."""
    parts = _split(url)
    if parts is None or parts.scheme != "http" or not is_loopback(parts.hostname) or not parts.port:
        return "redirect_form"
    if parts.username is not None or parts.query or parts.fragment:
        return "url_extras"
    return None


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url or "…" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname else None
