"""Spellings of URLs that lead, or have led elsewhere, to addresses that are not public. Data only; judged by its test.

`REFUSED`: families that must not be accepted at all. `NAMES`: those that are host names, which are judged when dialled.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
from urllib.parse import quote

LOOPBACK = "127.0.0.1"
METADATA = "169.254.169.254"
PRIVATE_V4 = (
    LOOPBACK,
    METADATA,
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
)
PUBLIC_V4 = ("8.8.8.8", "93.184.216.34")

# Digits 0-9 that compatibility normalisation (NFKC) makes plain ones.
DIGITS = {
    "full-width": "".join(chr(0xFF10 + n) for n in range(10)),
    "circled": "\u24ea\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468",
    "superscript": "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079",
    "subscript": "".join(chr(0x2080 + n) for n in range(10)),
    "segmented": "".join(chr(0x1FBF0 + n) for n in range(10)),
    "bold": "".join(chr(0x1D7CE + n) for n in range(10)),
    "double-struck": "".join(chr(0x1D7D8 + n) for n in range(10)),
    "sans-serif": "".join(chr(0x1D7E2 + n) for n in range(10)),
    "monospace": "".join(chr(0x1D7F6 + n) for n in range(10)),
}
DOTS = "\u3002\uff0e\uff61\u2024"
# Digits that stay what they are: a name that somebody may have registered.
FOREIGN_DIGITS = ("\u0660", "\u06f0", "\u0966", "\u09e6", "\u0e50")


def ipv4_spellings(address: str) -> Iterator[str]:
    """Spell an address in every way that inet_aton, browsers or normalisation read back as it."""
    a, b, c, d = (int(part) for part in address.split("."))
    number = int(IPv4Address(address))
    last_two, last_three = c << 8 | d, b << 16 | c << 8 | d
    yield from (address, f"{address}.", f"{a}.{b}.{last_two}", f"{a}.{last_three}", str(number))
    yield from (f"{number:#x}", f"{number:#X}", f"0x{number:016x}", f"0{number:o}", f"{'0' * 12}{number:o}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"{a:#X}.{b:#x}.{c:#X}.{d:#x}", f"0x{a:02x}.0x{b:02x}.0x{last_two:04x}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:06o}.{b:06o}.{c:06o}.{d:06o}", f"0{a:o}.{b}.{c:#x}.0{d:o}")
    yield from (f"{a:#x}.{last_three}", f"0{a:o}.{last_three:#x}", f"{a}.{b:#x}.0{last_two:o}", f"{number:#x}.")
    for digits in DIGITS.values():
        yield address.translate({ord("0") + n: digit for n, digit in enumerate(digits)})
    for dot in DOTS:
        yield address.replace(".", dot)
    yield address + "\ufe00"
    yield address[0] + "\u034f" + address[1:]


def embedding_v6(address: str) -> Iterator[str]:
    """Spell the IPv6 addresses that some translator or tunnel turns into an IPv4 address."""
    number = int(IPv4Address(address))
    high, low = number >> 16, number & 0xFFFF
    teredo = 0x2001 << 112 | 0x4136E378 << 64 | 0x8000 << 48 | 0x63BF << 32 | number ^ 0xFFFFFFFF
    yield from (f"[::{address}]", f"[::{high:x}:{low:x}]")
    yield from (f"[::ffff:0:{address}]", f"[::ffff:0:{high:x}:{low:x}]")
    yield from (f"[64:ff9b:1::{address}]", f"[64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::]")
    yield from (f"[2002:{high:x}:{low:x}::1]", f"[2002:{high:x}:{low:x}:0:0:0:0:0]")
    yield from (f"[{IPv6Address(teredo)}]", f"[2001::{address}]")
    yield from (f"[2a00:1450::5efe:{address}]", f"[2a00:1450::200:5efe:{high:x}:{low:x}]", f"[fe80::5efe:{address}]")


def judged_by_v4(address: str) -> Iterator[str]:
    """Spell the IPv6 addresses that are as public as the IPv4 address in them: mapped ones and NAT64's own prefix."""
    number = int(IPv4Address(address))
    high, low = number >> 16, number & 0xFFFF
    yield from (f"[::ffff:{address}]", f"[::FFFF:{high:x}:{low:x}]", f"[0:0:0:0:0:ffff:{high:04x}:{low:04x}]")
    yield from (f"[0000:0000:0000:0000:0000:ffff:{address}]", f"[64:ff9b::{address}]", f"[64:FF9B::{high:X}:{low:X}]")


def _alphabet(small_a: int, holes: dict[str, str] | None = None) -> str:
    letters = {letter: chr(small_a + ord(letter) - ord("a")) for letter in "localhost"} | (holes or {})
    return "".join(letters[letter] for letter in "localhost")


def _localhosts() -> Iterator[str]:
    yield from ("localhost", "LOCALHOST", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST.", "localhost:22")
    yield from (
        "localho\u017ft",
        "loca\u02e1host",
        "localhost\u3002",
        "localhost\uff61",
        "foo\uff0elocalhost",
        "localhos\u1d57",
    )
    yield from (_alphabet(0xFF41), _alphabet(0x24D0), _alphabet(0x1D44E, {"h": "\u210e"}))
    for start in (0x1D41A, 0x1D482, 0x1D4EA, 0x1D51E, 0x1D552, 0x1D586, 0x1D5BA, 0x1D5EE, 0x1D622, 0x1D656, 0x1D68A):
        yield _alphabet(start)
    yield from (
        _alphabet(0x1D4B6, {"o": "\u2134"}),
        "\uff2c\uff2f\uff23\uff21\uff2c\uff28\uff2f\uff33\uff34",
        "local\u034fhost",
    )


def _v6_literals() -> Iterator[str]:
    yield from """
        [::] [::1] [0::1] [::0001] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0.0.0.1]
        [0:0:0:0:0:0:0.0.0.1] [fe80::1] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [FD00::5] [ff02::1]
        [ff0e::1] [100::1] [2001:db8::1] [3fff::1] [2001:2::1] [2001:10::1] [2001:20::1] [5f00::1] [4000::1]
        [64:ff9b:2::1] [::1 ::1] ::1 [[::1]] [::1]] [::1]x x[::1] [127.0.0.1] [] [v1.::1] [::1.2.3] [::ffff:0x7f.1]
        [::ffff:0177.0.0.1] [::ffff:127.1] [::ffff:256.0.0.1] [1:2:3:4:5:6:7:8:9]
    """.split()
    for zone in ("%eth0", "%25eth0", "%1", "%251", "%25", "%", "%lo]@[::1", "%25]"):
        yield from (f"[fe80::1{zone}]", f"[::1{zone}]")
    yield from ("\uff3b::1\uff3d", "[\uff1a\uff1a1]", "[::\uff11]", "[::\u0661]", "[::1\ufe00]")


def _userinfo() -> Iterator[str]:
    for address in (LOOPBACK, METADATA, "[::1]", "localhost"):
        yield from (
            f"http://a.example@{address}/",
            f"http://a.example:80@{address}/",
            f"http://a.example%40@{address}/",
        )
        yield from (f"http://{address}@a.example/", f"http://{address}:80@a.example/", f"http://@{address}/")
        yield from (f"http://:@{address}/", f"http://a@b@{address}/", f"http://a.example\uff20{address}/")
        yield from (f"http://a.example%23@{address}/", f"http://a.example&@{address}/", f"http://a.example;@{address}/")


def _delimiters() -> Iterator[str]:
    """Characters that one reader takes for the end of the host, and another for a part of it."""
    for address in (LOOPBACK, METADATA):
        for end in ("\\", "\\\\", "\\/", "#", "#@", "\\@", "#\\@", "/\\@#"):
            yield f"http://a.example{end}{address}/"
            yield f"http://{address}{end}a.example/"
        for end in [*",;&|^`<{*$!'(", "\uff0f", "\uff1f", "\uff03", "\uff1a80", "\uff05", "\u2100"]:
            yield f"http://{address}{end}a.example/"
    yield from (f"http://{LOOPBACK}{end}a.example" for end in ("?@", "/@", "/", "?", ":80/"))


def _controls() -> Iterator[str]:
    controls = "\x00\t\n\x0b\x0c\r\x1f \x7f\x85\u00a0\u00ad\u061c\u180e\u2000\u200b\u200c\u200d\u200e\u2028\u2029"
    controls += "\u202e\u2060\u3000\ufeff\ue000\U000e0020"
    for control in controls:
        yield f"http://{LOOPBACK}{control}/"
        yield f"http://127.0{control}.0.1/"
        yield f"http://a.example/{control}@{LOOPBACK}/"
    for crlf in ("\r\n", "\r\n\r\n", "\n\n", "\r"):
        yield f"http://a.example/{crlf}Host:{LOOPBACK}"
        yield f"http://{LOOPBACK}:6379/{crlf}SLAVEOF{crlf}a"
    yield from (
        f"\thttp://{LOOPBACK}/",
        f" http://{LOOPBACK}/",
        f"ht\ntp://{LOOPBACK}/",
        f"http:\t//{LOOPBACK}/",
        f"http://{LOOPBACK}/ ",
    )


def _schemes() -> Iterator[str]:
    others = """
        file ftp gopher dict ldap ldaps sftp tftp ssh telnet imap smb ws wss netdoc jar data blob about redis unix
        http+unix view-source feed httpx http2 shttp
    """
    yield from (f"{scheme}://{LOOPBACK}/" for scheme in others.split())
    starts = """
        http: https: http:/ http:/// http://// // / : :// http// http:\\\\ https:/\\ url:http:// jar:http:// http::
        http:http:// \uff48ttp:// http\uff1a// http:\uff0f\uff0f HTTP:// hTtPs://
    """
    yield from (f"{start}{LOOPBACK}/" for start in starts.split())
    yield from f"file:///etc/passwd file:/etc/passwd javascript:alert(1) about:blank {LOOPBACK}".split()
    yield from (
        "",
        *f"http:// http: http://{LOOPBACK} http://{LOOPBACK}?x http://?x http://:80/ http://./ http://../".split(),
    )


def _ports() -> Iterator[str]:
    yield "http://a.example:/"
    for port in "0 00 00000 65536 99999 080000 -1 +80 80a 0x50 8e1 80:80 \uff18\uff10 \u0668\u0660 80, 80.0".split():
        yield f"http://a.example:{port}/"
    for port in "22 00080 443 2375 6379 8123 65535".split():
        yield from (f"http://{LOOPBACK}:{port}/", f"http://[::1]:{port}/")


def _not_ipv4() -> Iterator[str]:
    """Numbers that are no address here, but wrap around or are cut off elsewhere."""
    yield from """
        383.256.256.257 127.0.0.257 127.0.65536 127.16777216 4294967296 6425673729 0x17f000001 040000000001 127.0.0.1.1
        127.0.0.0.1 127.0.0.08 0x7f.0x0.0x1.0x1.0x1 08 09.0.0.1 127..0.1 127.0.0.1.. .127.0.0.1 127.0.0.-1 127.0.0.+1
        -2130706433 0b1.0.0.1 0o177.0.0.1 a.127 a.example.1 a.0x7f000001 localhost.1 00x7f.1 0x7f.0xg.1 1_0.0.0.1
    """.split()


def _encoded() -> Iterator[str]:
    for host in (LOOPBACK, METADATA, "localhost"):
        whole = "".join(f"%{ord(character):02x}" for character in host)
        yield from (
            whole,
            quote(whole),
            whole[:3] + host[1:],
            f"%00{host}",
            f"{host}%2f@a.example",
            f"a.example%2f{host}",
        )
        yield from (host + end for end in "%00 %2e %0d%0a %20 %09 %23 %253a80".split())
    yield from "%e2%91%a0%e2%91%a1%e2%91%a6.0.0.1 %5b::1%5d %EF%BC%91%EF%BC%92%EF%BC%97.0.0.1 127%2e0%2e0%2e1".split()
    yield from "xn--localhost- xn--127-.0.0.1 xn-- xn--1-".split()
    yield from ("\u00df.localhost", "fa\u00df.example", "a\u200db.example", "\u03c2.example")


def _addressed(hosts: Iterable[str]) -> list[str]:
    return [f"http://{host}/latest" for host in hosts]


IPV4 = {address: _addressed(ipv4_spellings(address)) for address in PRIVATE_V4}
REFUSED: dict[str, list[str]] = {
    **{f"IPv4 {address}": urls for address, urls in IPV4.items()},
    **{
        f"IPv6 around {address}": _addressed(chain(embedding_v6(address), judged_by_v4(address)))
        for address in PRIVATE_V4
    },
    "tunnels to public addresses": _addressed(chain.from_iterable(embedding_v6(address) for address in PUBLIC_V4)),
    "IPv6 literals": _addressed(_v6_literals()),
    "localhost": _addressed(_localhosts()),
    "numbers that are no address": _addressed(_not_ipv4()),
    "percent and IDNA": _addressed(_encoded()),
    "userinfo": list(_userinfo()),
    "delimiters": list(_delimiters()),
    "control characters and spaces": list(_controls()),
    "schemes": list(_schemes()),
    "ports": list(_ports()),
}

_METADATA_NAMES = """
    metadata metadata.google.internal metadata.google.internal. METADATA.goog metadata.azure.internal instance-data
    instance-data.ec2.internal metadata.tencentyun.com metadata.packet.net metadata.platformequinix.com rancher-metadata
    kubernetes.default kubernetes.default.svc.cluster.local host.docker.internal gateway.docker.internal
"""
_HOME_NAMES = """
    localhost.localdomain localhost6 ip6-localhost ip6-loopback broadcasthost router.local intranet db.internal redis
    127.0.0.1.nip.io 7f000001.nip.io 10-0-0-1.sslip.io 169.254.169.254.xip.io localtest.me lvh.me vcap.me
    localhost.a.example 127.0.0.1.a.example 0x7f000001.a.example make-127.0.0.1-rebind-10.0.0.1-rr.1u.ms
"""
# No reader takes these for an address, whether libc's, a browser's or Python's.
_ALMOST_NUMBERS = (
    "127.0.0.0xg 1e3 127.0.0.1e0 127.0.0.1_0 0x7f.a 1-1 a.1a _localhost localhost_ 127.0.0.1\u2215a.example"
)
_HOMOGLYPHS = """
    l\u043ecalhost loc\u0430lhost lo\u0441alhost localh\u03bfst \u04cfocalhost \u217cocal\u04bbost \u0131ocalhost
    lo\u010balhost loc\u00e1lhost l\u00f6calhost localhos\u0442 local\u0570ost 1ocalhost
"""
NAMES: dict[str, list[str]] = {
    "cloud metadata": _addressed(_METADATA_NAMES.split()),
    "names that lead home": _addressed(_HOME_NAMES.split()),
    "almost numbers": _addressed(_ALMOST_NUMBERS.split()),
    "homoglyphs of localhost": _addressed(_HOMOGLYPHS.split()),
    "foreign digits": _addressed(
        LOOPBACK.translate({ord("0") + n: chr(ord(zero) + n) for n in range(10)}) for zero in FOREIGN_DIGITS
    ),
}
