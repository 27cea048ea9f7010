"""The webhook guard's pure half: what parses, which addresses are public, what the operator may open."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from contracts.errors import Invalid
from contracts.targets import AllowList, BadTarget, Target, address_verdict, judge_at_accept, judge_headers

NOTHING = AllowList()

# Spellings of 127.0.0.1 that have bypassed guards elsewhere.
LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7f000001",
    "0x7F.0X0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127.0.0.1\ufe00",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.b.localhost",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "0",
    "0.0.0.0",
    "[::]",
]

MALFORMED = [
    "",
    "hooks.example.com",
    "//hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "http:/hooks.example.com",
    "http:///hooks",
    "http://",
    "http://user@hooks.example.com/",
    "http://user:pass@hooks.example.com/",
    "http://hooks.example.com@127.0.0.1/",
    "http://hooks.example.com\\@127.0.0.1/",
    "http://hooks.example.com\\.evil.example/",
    "http://hooks.example.com/a b",
    " http://hooks.example.com/",
    "http://hooks.example.com/\r\nX-Evil: 1",
    "http://hooks.example.com/\x00",
    "http://hooks.exam\tple.com/",
    "http://hooks\u200b.example.com/",
    "http://hooks.example.com:0/",
    "http://hooks.example.com:65536/",
    "http://hooks.example.com:http/",
    "http://hooks.example.com:/",
    "http://hooks.example.com:80:80/",
    "http://hooks.example.com:\u0661\u0662/",
    "http://hooks.example.com/#fragment",
    "http://hooks..example.com/",
    "http://.example.com/",
    "http://-hooks.example.com/",
    "http://hooks%2eexample.com/",
    "http://%31%32%37.0.0.1/",
    "http://fa\u00df.example/",
    "http://hooks,example.com/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://1.2.3.4.5/",
    "http://256.0.0.1/",
    "http://1.2.3.08/",
    "http://1.2.0x1_2.4/",
    "http://4294967296/",
    "http://a.0x/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 127}example/",
    "http://hooks.example.com/" + "a" * 2048,
]

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "192.0.1.1",
    "223.255.255.1",
]
PUBLIC += ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]

REFUSED = {
    "0.0.0.0": "this host",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "carrier-grade",
    "100.100.100.200": "carrier-grade",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",
    "169.254.169.254": "metadata",
    "169.254.170.2": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "198.19.255.255": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "not a public",
    "::1": "loopback",
    "::127.0.0.1": "not a public",
    "::ffff:10.0.0.1": "private",
    "::ffff:0:127.0.0.1": "not a public",
    "64:ff9b::10.0.0.1": "private",
    "64:ff9b:1::1": "not a public",
    "100::1": "not a public",
    "2001::1": "Teredo",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "6to4",
    "2a00:1450:4001:0:0:5efe:7f00:1": "ISATAP",
    "2a00:1450:4001:0:200:5efe:a00:1": "ISATAP",
    "3fff::1": "documentation",
    "5f00::1": "not a public",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fd20:ce::254": "private",
    "fe80::1": "link-local",
    "fec0::1": "not a public",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_every_spelling_of_loopback_is_refused_at_accept(host: str) -> None:
    with pytest.raises(Invalid) as caught:
        judge_at_accept(f"http://{host}:9000/hook", NOTHING)
    assert [(flaw.pointer, flaw.code) for flaw in caught.value.flaws] == [("/callback_url", "private_address")]


@pytest.mark.parametrize("url", MALFORMED)
def test_what_two_parsers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(BadTarget):
        Target.parse(url)
    with pytest.raises(Invalid) as caught:
        judge_at_accept(url, AllowList.parse("0.0.0.0/0,::/0"))
    assert caught.value.flaws[0].code == "invalid_url"


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert address_verdict(ip_address(address)).allowed


@pytest.mark.parametrize(("address", "reason"), REFUSED.items())
def test_addresses_off_the_public_internet_are_refused_with_the_reason(address: str, reason: str) -> None:
    verdict = address_verdict(ip_address(address))
    assert not verdict.allowed and reason in verdict.reason


@pytest.mark.parametrize(
    ("url", "host", "port", "canonical"),
    [
        ("https://Hooks.Example.com", "hooks.example.com", 443, "https://hooks.example.com/"),
        ("HTTP://hooks.example.com:80?x=1", "hooks.example.com", 80, "http://hooks.example.com/?x=1"),
        ("http://backend:8080/a/../b", "backend", 8080, "http://backend:8080/a/../b"),
        ("https://b\u00fccher.example/\u00fc?q=\u20ac", "xn--bcher-kva.example", 443, None),
        ("http://134744072/", "8.8.8.8", 80, "http://8.8.8.8/"),
        ("http://[2606:4700:4700:0:0:0:0:1111]:8443/", "2606:4700:4700::1111", 8443, None),
        ("http://_dmarc.my_host.example/", "_dmarc.my_host.example", 80, None),
        ("https://h.example/%2e%2E/a%20b", "h.example", 443, "https://h.example/%2e%2E/a%20b"),
    ],
)
def test_a_url_has_one_canonical_form(url: str, host: str, port: int, canonical: str | None) -> None:
    target = Target.parse(url)
    assert (target.host, target.port) == (host, port)
    assert canonical is None or target.url == canonical
    assert target.url.isascii() and Target.parse(target.url) == target


def test_logs_show_a_url_without_its_query() -> None:
    assert Target.parse("https://h.example:8443/in?token=secret").shown == "https://h.example:8443/in?..."


@pytest.mark.parametrize("url", ["http://backend:8080/", "http://metadata.google.internal/"])
def test_a_name_passes_at_accept_and_is_judged_by_the_address_it_leads_to(url: str) -> None:
    judge_at_accept(url, NOTHING)
    target = Target.parse(url)
    verdicts = [NOTHING.verdict(target, ip_address(address)).allowed for address in ("1.1.1.1", "169.254.169.254")]
    assert (target.fixed, verdicts) == ((), [True, False])


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://127.0.0.1:9000/", "PRESSWORK_WEBHOOK_ALLOW_HOSTS=127.0.0.1:9000"),
        ("http://localhost:9000/", "PRESSWORK_WEBHOOK_ALLOW_HOSTS=localhost:9000"),
        ("http://[fd00::5]/", "PRESSWORK_WEBHOOK_ALLOW_HOSTS=[fd00::5]:80"),
        ("https://0x0a.1/", "PRESSWORK_WEBHOOK_ALLOW_HOSTS=10.0.0.1:443"),
    ],
)
def test_the_refusal_names_the_line_that_lifts_it_and_no_more(url: str, line: str) -> None:
    with pytest.raises(Invalid) as caught:
        judge_at_accept(url, NOTHING)
    assert f" {line} " in caught.value.message
    allow, target = AllowList.parse(hosts=line.split("=")[1]), Target.parse(url)
    judge_at_accept(url, allow)
    assert all(allow.verdict(target, address).allowed for address in target.fixed)
    assert not allow.verdict(replace(target, port=7), target.fixed[0]).allowed


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", True),
        ("127.0.0.1:9000", "http://2130706433:9000/", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/", False),
        ("127.0.0.1", "http://127.0.0.1:9001/", True),
        ("localhost:9000", "http://LOCALHOST:9000/", True),
        ("localhost:9000", "http://localhost/", False),
        ("[::1]:9000", "http://[0::1]:9000/", True),
        ("::1", "http://[::1]:7/", True),
        ("a.example, [::1]:80 ,", "http://[::1]/", True),
        ("Backend", "http://10.0.0.1/", False),
    ],
)
def test_an_opened_host_opens_itself_only(hosts: str, url: str, allowed: bool) -> None:
    target = Target.parse(url)
    assert AllowList.parse(hosts=hosts).verdict(target, target.fixed[0]).allowed is allowed


def test_an_opened_network_opens_what_a_name_resolves_to() -> None:
    allow = AllowList.parse(cidrs="10.1.0.0/16, fd00::/8")
    target = Target.parse("http://backend/")
    verdicts = [
        allow.verdict(target, ip_address(a)).allowed for a in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "10.2.0.1")
    ]
    assert verdicts == [True, True, True, False]


@pytest.mark.parametrize(
    ("cidrs", "hosts", "variable", "value"),
    [
        ("10.0.0.0/99", "", "PRESSWORK_WEBHOOK_ALLOW_CIDRS", "10.0.0.0/99"),
        ("backend", "", "PRESSWORK_WEBHOOK_ALLOW_CIDRS", "backend"),
        ("", "http://backend/", "PRESSWORK_WEBHOOK_ALLOW_HOSTS", "http://backend/"),
        ("", "backend:99999", "PRESSWORK_WEBHOOK_ALLOW_HOSTS", "backend:99999"),
        ("", "*", "PRESSWORK_WEBHOOK_ALLOW_HOSTS", "*"),
    ],
)
def test_a_bad_allow_list_names_variable_and_value(cidrs: str, hosts: str, variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=variable) as caught:
        AllowList.parse(cidrs, hosts)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Webhook-Signature", "v1,x"),
        ("Proxy-Authorization", "x"),
        ("Connection", "close"),
        ("X Bad", "x"),
        ("X-Bad\r\nY", "x"),
        ("", "x"),
        ("X-Bad", "a\r\nEvil: 1"),
        ("X-Bad", "a\x00"),
        ("X-Bad", "a\tb"),
        ("X-Bad", "a\x7f"),
        ("webhook_id", "x"),
        ("Webhook_Signature", "v1,x"),
        ("webhook.timestamp", "1"),
        ("Content_Length", "0"),
        ("transfer_Encoding", "chunked"),
        ("Proxy_Authorization", "x"),
        ("X~Bad", "x"),
        ("X-" + "a" * 127, "x"),
        ("x_team", "the same to CGI"),
        ("X-Bad", "\u00fc"),
    ],
)
def test_headers_that_would_change_the_request_are_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        judge_headers({"X-Team": "a", name: value})
    assert [flaw.code for flaw in caught.value.flaws] == ["invalid_header"]


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("X~Bad", "x", "A header name has 1 to 128 letters, digits, hyphens, underscores and dots."),
        ("Content_Length", "0", "Content_Length is set by Presswork."),
        ("X-Bad", "a\tb", "A header value has printable ASCII characters only."),
    ],
)
def test_a_refused_header_is_told_the_rule(name: str, value: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        judge_headers({name: value})
    assert [flaw.detail for flaw in caught.value.flaws] == [detail]


@pytest.mark.parametrize("name", ["X_Api_Key", "api.key", "X-1", "a", "Hosts", "X-" + "a" * 126])
def test_headers_of_other_names_pass(name: str) -> None:
    judge_headers({name: " !#~ printable"})


def test_credentials_in_a_url_are_sent_to_the_headers_of_documents_and_endpoints() -> None:
    with pytest.raises(BadTarget, match=r"`callback_headers` of a document, `headers` of an endpoint") as caught:
        Target.parse("https://u:p@example.com/")
    assert "u:p" not in str(caught.value)


def test_header_flaws_are_all_reported_with_escaped_pointers() -> None:
    with pytest.raises(Invalid) as caught:
        judge_headers({"a/b": "x", "c~d ": "x", "Host": "x", "host": "y"})
    pointers = [flaw.pointer for flaw in caught.value.flaws]
    assert pointers[:2] == ["/callback_headers/a~1b", "/callback_headers/c~0d "]
    assert "/callback_headers" in pointers


def test_headers_are_limited_in_number_and_size() -> None:
    judge_headers({f"X-{n}": "v" for n in range(20)})
    judge_headers({"Authorization": "Bearer " + "x" * 4000})
    for headers in ({f"X-{n}": "v" for n in range(21)}, {"X-Big": "x" * 4096}):
        with pytest.raises(Invalid):
            judge_headers(headers)
