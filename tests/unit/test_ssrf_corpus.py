"""Every spelling of ssrf_corpus.py is refused at accept or is a name; whichever way, no private address is dialled."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain
from urllib.parse import urlsplit

import pytest

from contracts.errors import Invalid
from contracts.targets import Address, AllowList, BadTarget, Target, address_verdict, judge_at_accept
from tests.unit import ssrf_corpus as corpus

NOTHING = AllowList()
EVERYTHING = AllowList.parse("0.0.0.0/0,::/0")
ANSWERS: list[Address] = [ip_address(address) for address in corpus.PRIVATE_V4]
ANSWERS += [ip_address(host[1:-1]) for home in corpus.PRIVATE_V4 for host in corpus.judged_by_v4(home)]
ANSWERS += [ip_address(host[1:-1]) for home in corpus.PRIVATE_V4 for host in corpus.embedding_v6(home)]


def literally(host: str) -> Address | None:
    """Read a host as the system does, without DNS."""
    try:
        (*_, found), *_ = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):  # UnicodeError is one
        return None
    return ip_address(str(found[0]).partition("%")[0])


def plain(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def written_host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    urls = [*chain(*corpus.REFUSED.values(), *corpus.NAMES.values())]
    assert len(urls) == len(set(urls)) >= 300


@pytest.mark.parametrize("family", corpus.REFUSED)
def test_what_leads_home_or_is_ambiguous_is_refused_at_accept(family: str) -> None:
    passed = []
    for url in corpus.REFUSED[family]:
        try:
            judge_at_accept(url, NOTHING)
            passed.append(url)
        except Invalid as refusal:
            assert {flaw.pointer for flaw in refusal.flaws} == {"/callback_url"}, url
    assert passed == []


@pytest.mark.parametrize("family", corpus.REFUSED)
def test_no_refused_spelling_has_an_address_that_may_be_dialled(family: str) -> None:
    for url in corpus.REFUSED[family]:
        try:
            target = Target.parse(url)
        except BadTarget:
            continue
        assert target.fixed, url
        assert not any(NOTHING.verdict(target, address).allowed for address in target.fixed), url


@pytest.mark.parametrize("family", corpus.NAMES)
def test_a_name_is_accepted_and_leads_to_no_private_address(family: str) -> None:
    for url in corpus.NAMES[family]:
        judge_at_accept(url, NOTHING)
        target = Target.parse(url)
        assert target.fixed == () and literally(target.host) is None, url
        assert urlsplit(target.url).hostname == target.host == Target.parse(target.url).host, url
        assert not any(NOTHING.verdict(target, address).allowed for address in ANSWERS), url
        assert NOTHING.verdict(target, IPv4Address("1.1.1.1")).allowed, url


@pytest.mark.parametrize("family", [*corpus.REFUSED, *corpus.NAMES])
def test_the_system_reads_no_other_address_than_we_do(family: str) -> None:
    for url in corpus.REFUSED.get(family) or corpus.NAMES[family]:
        try:
            target = Target.parse(url)
        except BadTarget:
            continue
        for host in (written_host(url), target.host):
            read = literally(host)
            if read is not None:
                assert [plain(address) for address in target.fixed] == [plain(read)], url
                assert NOTHING.verdict(target, read) == NOTHING.verdict(target, target.fixed[0]), url


def test_the_system_reads_many_of_these_spellings_as_private_addresses() -> None:
    read = {host for urls in corpus.IPV4.values() for url in urls if literally(host := written_host(url))}
    assert len(read) > 100


@pytest.mark.parametrize("address", [*corpus.PRIVATE_V4, *corpus.PUBLIC_V4])
def test_each_spelling_of_an_address_is_judged_as_that_address(address: str) -> None:
    expected = IPv4Address(address)
    for host in corpus.ipv4_spellings(address):
        target = Target.parse(f"http://{host}/")
        assert target.fixed == (expected,), host
        assert target.url == f"http://{address}/", host
    for host in corpus.judged_by_v4(address):
        target = Target.parse(f"http://{host}/")
        (fixed,) = target.fixed
        assert NOTHING.verdict(target, fixed) == address_verdict(expected), host


@pytest.mark.parametrize("address", corpus.PUBLIC_V4)
def test_a_public_address_passes_however_it_is_spelled(address: str) -> None:
    for host in chain(corpus.ipv4_spellings(address), corpus.judged_by_v4(address)):
        target = Target.parse(f"http://{host}/")
        judge_at_accept(target.url, NOTHING)
        assert [NOTHING.verdict(target, one).allowed for one in target.fixed] == [True], host


@pytest.mark.parametrize("family", ["userinfo", "control characters and spaces"])
def test_an_operator_who_opens_all_networks_opens_no_ambiguous_url(family: str) -> None:
    for url in corpus.REFUSED[family]:
        with pytest.raises(Invalid) as caught:
            judge_at_accept(url, EVERYTHING)
        assert [flaw.code for flaw in caught.value.flaws] == ["invalid_url"], url
