"""Where a webhook may go: one strict URL parser and our own table of addresses that are not the public internet.

Judged twice with the same code: at accept (syntax, literal addresses) and when dialling (the address really used).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple
from urllib.parse import quote

from contracts.errors import Flaw, Invalid, PermanentError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2048
MAX_HEADERS = 20
MAX_HEADER_BYTES = 4096
CIDRS_VARIABLE = "PRESSWORK_WEBHOOK_ALLOW_CIDRS"
HOSTS_VARIABLE = "PRESSWORK_WEBHOOK_ALLOW_HOSTS"

_URL = re.compile(r"(https?)://([^/?#]+)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
# IDNA 2003 maps these to other names than IDNA 2008 does: two readers would call two different hosts.
_DEVIATIONS = re.compile("[\u00df\u03c2\u200c\u200d]")


class BadTarget(PermanentError):
    """The URL cannot be called."""

    code = "invalid_url"


class Verdict(NamedTuple):
    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class Target:
    """A parsed URL. `host` is ASCII lower case, an address in its canonical form; `resource` is path and query."""

    scheme: str
    host: str
    port: int
    resource: str

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, url: str) -> "Target":
        """Parse strictly: what two parsers could read differently is refused. Raises BadTarget."""
        if len(url) > MAX_URL:
            raise BadTarget(f"The URL is longer than {MAX_URL} characters.")
        if any(character == "\\" or unicodedata.category(character)[0] in "CZ" for character in url):
            raise BadTarget("The URL has a space, a control character or a backslash in it.")
        parts = _URL.fullmatch(url)
        if not parts:
            raise BadTarget("The URL must be http://host/... or https://host/..., without a fragment (#...).")
        scheme, authority, resource = parts[1].lower(), parts[2], parts[3]
        host, port = _split_authority(authority)
        path = resource if resource.startswith("/") else "/" + resource
        default = 443 if scheme == "https" else 80
        return cls(scheme, host, default if port is None else port, quote(path, safe="%/?:@!$&'()*+,;=-._~[]"))

    @property
    def origin(self) -> str:
        """Host and port, as a person would write them: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.origin}{self.resource}"

    @property
    def shown(self) -> str:
        """The URL for logs and lists: a query may hold a secret, so only its presence shows."""
        path, mark, _ = self.resource.partition("?")
        return f"{self.scheme}://{self.origin}{path}{mark and '?...'}"

    @property
    def fixed(self) -> tuple[Address, ...]:
        """The addresses that need no resolver: a literal one, or those of `localhost` (RFC 6761)."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return (IPv4Address("127.0.0.1"), IPv6Address("::1"))
        try:
            return (ipaddress.ip_address(self.host),)
        except ValueError:
            return ()


@dataclass(frozen=True)
class AllowList:
    """What the operator opened: networks, and hosts with or without a port."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, cidrs: str = "", hosts: str = "") -> "AllowList":
        """Read both settings, values separated by commas. Raises ValueError naming variable, value and remedy."""
        return cls(
            tuple(_network(item) for item in _items(cidrs)), frozenset(_host_entry(item) for item in _items(hosts))
        )

    def verdict(self, target: Target, address: Address) -> Verdict:
        """Judge dialling `address` for `target`: an opened host goes anywhere, an opened network is open to all."""
        if (target.host, None) in self.hosts or (target.host, target.port) in self.hosts:
            return Verdict(True)
        plain = _unmapped(address)
        if any(plain.version == network.version and plain in network for network in self.networks):
            return Verdict(True)
        return address_verdict(address)


def judge_at_accept(url: str, allow: AllowList, *, pointer: str = "/callback_url") -> None:
    """Judge syntax and literal addresses; names are judged when dialled. Raises Invalid at `pointer`."""
    try:
        target = Target.parse(url)
    except BadTarget as error:
        raise Invalid.at(pointer, error.message, error.code) from None
    verdicts = [allow.verdict(target, address) for address in target.fixed]
    if verdicts and not any(verdict.allowed for verdict in verdicts):
        reason = f"{target.origin} is {verdicts[0].reason}: webhooks go to public addresses."
        raise Invalid.at(pointer, f"{reason} {remedy(target.host, target.port)}", "private_address")


def remedy(host: str, port: int) -> str:
    """Say which line opens a refused receiver, and nothing beside it."""
    shown = f"[{host}]" if ":" in host else host
    return f"To allow it, start Presswork with {HOSTS_VARIABLE}={shown}:{port} (values are separated by commas)."


# Hop-by-hop and framing headers would change the request itself; the rest are ours to say.
_RESERVED = frozenset(
    "host content-length content-type content-encoding transfer-encoding connection keep-alive te trailer upgrade "
    "expect accept-encoding user-agent".split()
)
_NAME = re.compile(r"[0-9A-Za-z._-]{1,128}")
_VALUE = re.compile(r"[\x20-\x7e]*")


def judge_headers(headers: Mapping[str, str], *, pointer: str = "/callback_headers") -> None:
    """Judge the headers that a caller wants on its webhooks. Raises Invalid with every flaw (pointers, RFC 6901)."""
    flaws = [
        Flaw(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", flaw, "invalid_header")
        for name, value in headers.items()
        if (flaw := _header_flaw(name, value))
    ]
    if len(headers) > MAX_HEADERS:
        flaws.append(Flaw(pointer, f"At most {MAX_HEADERS} headers are allowed.", "too_many_headers"))
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_BYTES:
        flaws.append(
            Flaw(pointer, f"All headers together may have {MAX_HEADER_BYTES} characters.", "headers_too_large")
        )
    if len({_merged(name) for name in headers}) < len(headers):
        flaws.append(Flaw(pointer, "The same header is given twice in different spelling.", "invalid_header"))
    if flaws:
        raise Invalid(*flaws)


def _header_flaw(name: str, value: str) -> str:
    merged = _merged(name)
    if not _NAME.fullmatch(name):
        return "A header name has 1 to 128 letters, digits, hyphens, underscores and dots."
    if merged in _RESERVED or merged.startswith(("webhook-", "proxy-")):
        return f"{name} is set by Presswork."
    return "" if _VALUE.fullmatch(value) else "A header value has printable ASCII characters only."


def _merged(name: str) -> str:
    """Write a name as receivers behind CGI tell names apart (RFC 3875, 4.1.18): `webhook_id` is `webhook-id` there."""
    return name.lower().replace("_", "-").replace(".", "-")


def _refused(*rows: tuple[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(network), reason) for network, reason in rows)


# `ipaddress.is_global` follows one registry of one year: it lets NAT64, 6to4 and Azure's host through. RFC 6890 ff.
_REFUSED_V4 = _refused(
    ("0.0.0.0/8", "an address of this host"),
    ("10.0.0.0/8", "a private address"),
    ("100.64.0.0/10", "a carrier-grade NAT address"),
    ("127.0.0.0/8", "a loopback address"),
    ("168.63.129.16/32", "a cloud metadata address"),
    ("169.254.0.0/16", "a link-local or cloud metadata address"),
    ("172.16.0.0/12", "a private address"),
    ("192.0.0.0/24", "a reserved address"),
    ("192.0.2.0/24", "a documentation address"),
    ("192.88.99.0/24", "a 6to4 relay address"),
    ("192.168.0.0/16", "a private address"),
    ("198.18.0.0/15", "a benchmarking address"),
    ("198.51.100.0/24", "a documentation address"),
    ("203.0.113.0/24", "a documentation address"),
    ("224.0.0.0/4", "a multicast address"),
    ("240.0.0.0/4", "a reserved address"),
)
_REFUSED_V6 = _refused(
    ("::1/128", "a loopback address"),
    ("fc00::/7", "a private address"),
    ("fe80::/10", "a link-local address"),
    ("ff00::/8", "a multicast address"),
    ("2001::/23", "a reserved or Teredo address"),
    ("2001:db8::/32", "a documentation address"),
    ("2002::/16", "a 6to4 address"),
    ("3fff::/20", "a documentation address"),
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def address_verdict(address: Address) -> Verdict:
    """Say whether an address is on the public internet; if not, `reason` completes "it is ..."."""
    plain = _unmapped(address)
    if isinstance(plain, IPv6Address) and plain in _NAT64:
        plain = IPv4Address(int(plain) & 0xFFFFFFFF)
    for network, reason in _REFUSED_V4 if plain.version == 4 else _REFUSED_V6:
        if plain in network:
            return Verdict(False, reason)
    if isinstance(plain, IPv6Address):
        if plain not in _PUBLIC_V6:
            return Verdict(False, "not a public address")
        if int(plain) >> 32 & 0xFFFFFFFF in _ISATAP:
            return Verdict(False, "an ISATAP address")
    return Verdict(True)


def _unmapped(address: Address) -> Address:
    """Take ::ffff:a.b.c.d as a.b.c.d, which is what the kernel dials."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _split_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise BadTarget(
            "The URL has a user name or password in it: send them in a header"
            " (`callback_headers` of a document, `headers` of an endpoint)."
        )
    parts = _AUTHORITY.fullmatch(authority)
    if not parts:
        raise BadTarget("The URL's host or port is malformed.")
    port = int(parts[2]) if parts[2] else None
    if port is not None and not 1 <= port <= 65535:
        raise BadTarget("The URL's port is not in 1-65535.")
    return _canonical_host(parts[1]), port


def _canonical_host(text: str) -> str:
    if "%" in text:
        raise BadTarget("The URL's host has a percent sign: no zone ids, no percent-encoding.")
    if text.startswith("["):
        return _ipv6(text[1:-1])
    host = _ascii(text).lower().removesuffix(".")
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _ipv4(labels)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadTarget("The URL's host is not a valid name.")
    return host


def _ascii(host: str) -> str:
    """Write a host in ASCII (IDNA); full-width digits and dots become plain ones and are judged as such."""
    plain = unicodedata.normalize("NFKC", host).replace("\u3002", ".")
    if plain.isascii():
        return plain
    if _DEVIATIONS.search(plain):
        raise BadTarget("The URL's host is ambiguous (IDNA): write it in its xn-- form.")
    try:
        return plain.encode("idna").decode()
    except UnicodeError:
        raise BadTarget("The URL's host is not a valid name.") from None


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise BadTarget("The URL's host is not a valid IPv6 address.") from None


def _ipv4(labels: list[str]) -> str:
    """Read an IPv4 address as browsers and libc do (WHATWG URL 3.5): 1-4 parts, decimal, octal or hex."""
    try:
        numbers = [_number(label) for label in labels]
        *leading, last = numbers
        if len(numbers) > 4 or any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
            raise ValueError(labels)
    except ValueError:
        raise BadTarget("The URL's host is not a valid IPv4 address.") from None
    return str(IPv4Address(last + sum(number << 8 * (3 - place) for place, number in enumerate(leading))))


def _number(label: str) -> int:
    if not _NUMERIC.fullmatch(label):
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") else 10)


def _items(setting: str) -> list[str]:
    return [item.strip() for item in setting.split(",") if item.strip()]


def _network(item: str) -> Network:
    try:
        return ipaddress.ip_network(item, strict=False)
    except ValueError:
        raise ValueError(f"{CIDRS_VARIABLE}: {item!r} is not a network: write 10.1.0.0/16 or fd00::/8.") from None


def _host_entry(item: str) -> tuple[str, int | None]:
    bare_ipv6 = item.count(":") > 1 and not item.startswith("[")
    try:
        return _split_authority(f"[{item}]" if bare_ipv6 else item)
    except BadTarget as error:
        raise ValueError(f"{HOSTS_VARIABLE}: {item!r}: write backend:8080 or hooks.internal. {error.message}") from None
