"""Where messages may be sent: public addresses only, whatever their names lead to."""

import socket
from threading import Event

import pytest

from chalicelib.foundation import outbound_http, settings
from chalicelib.foundation.outbound_http import Destination, DestinationRefused, parse, resolve

NAME = Destination("https", "hooks.example.com", 443, "/")

REFUSED = {
    "loopback": "127.0.0.1",
    "all of loopback": "127.255.255.254",
    "this host": "0.0.0.0",
    "private 10": "10.1.2.3",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "carrier": "100.64.0.1",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata by IPv6": "fd00:ec2::254",
    "multicast": "224.0.0.1",
    "multicast that is routed": "233.252.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "documents": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "protocols": "192.0.0.8",
    "6to4 relay": "192.88.99.1",
    "loopback IPv6": "::1",
    "unspecified IPv6": "::",
    "mapped": "::ffff:93.184.215.14",
    "mapped private": "::ffff:10.0.0.1",
    "compatible": "::7f00:1",
    "NAT64": "64:ff9b::a9fe:a9fe",
    "NAT64 of a site": "64:ff9b:1::1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001::1",
    "link-local IPv6": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "unique local": "fc00::1",
    "multicast IPv6": "ff02::1",
    "documents IPv6": "2001:db8::1",
    "no address": "nonsense",
}


@pytest.fixture(autouse=True)
def _public_targets():
    with settings.override(webhook_targets="public"):
        yield


@pytest.fixture
def names(monkeypatch):
    """Host -> addresses, in place of a name server."""
    known: dict[str, list[str]] = {}
    monkeypatch.setattr(outbound_http, "look_up", lambda host, port: known.get(host, []))
    return known


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_a_private_address_is_refused_also_beside_a_public_one(names, address):
    for addresses in ([address], ["93.184.215.14", address], [address, "93.184.215.14"]):
        names[NAME.host] = addresses
        with pytest.raises(DestinationRefused, match="public internet"):
            resolve(NAME)


def test_public_addresses_are_used_ipv4_first(names):
    names[NAME.host] = ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.14"]
    assert resolve(NAME) == ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


def test_a_name_without_addresses_is_reported_as_unknown(names):
    with pytest.raises(DestinationRefused, match="could not be found") as refused:
        resolve(NAME)
    assert refused.value.unresolved


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_other_ways_to_write_this_machine_are_refused(host):
    with pytest.raises(DestinationRefused):
        resolve(parse(f"https://{host}/"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "hooks.example.com",
        "https://",
        "https:///path",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/ü",
        "https://hööks.example.com/",
        "https://hooks.example.com\\@evil.example/",
        "https://[::1/",
        "https://hooks.example.com/" + "x" * 2000,
    ],
)
def test_addresses_that_cannot_be_called_are_refused(url):
    with pytest.raises(DestinationRefused):
        parse(url)


def test_the_parts_of_an_address():
    assert parse("https://Hooks.Example.com/a/b?c=d&e=%20") == Destination("https", "hooks.example.com", 443, "/a/b?c=d&e=%20")
    assert parse("https://hooks.example.com:8443") == Destination("https", "hooks.example.com", 8443, "/")
    assert parse("https://[2606:2800::1]/") == Destination("https", "2606:2800::1", 443, "/")


@pytest.mark.parametrize("url", ["https://hooks.example.com/a\r\nHost: b", "https://hooks.example.com/a\x00b", "https://a\tb.example.com/"])
def test_control_characters_are_refused(url):
    with pytest.raises(DestinationRefused):
        parse(url)


def test_a_local_stage_may_call_only_this_machine_without_encryption(names):
    with settings.override(webhook_targets="local"):
        names["127.0.0.1"], names["inside"], names["outside"] = ["127.0.0.1"], ["127.0.0.2"], ["93.184.215.14"]
        assert resolve(parse("http://127.0.0.1:9000/")) == ["127.0.0.1"]
        assert resolve(parse("https://outside/")) == ["93.184.215.14"]
        for url in ("http://inside/", "https://inside/", "http://outside/"):
            with pytest.raises(DestinationRefused):
                resolve(parse(url))


def test_production_refuses_local_targets():
    with pytest.raises(settings.SettingsError, match="FAIRGATE_WEBHOOK_TARGETS"):
        settings.read({"FAIRGATE_STAGE": "prod", "FAIRGATE_WEBHOOK_TARGETS": "local"})


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch):
    answered = Event()
    monkeypatch.setattr(outbound_http, "LOOKUP_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [answered.wait(10)][:0])
    assert outbound_http.look_up("hooks.example.com", 443) == []
    answered.set()


def test_a_name_that_a_name_server_refuses_has_no_address(monkeypatch):
    def refuse(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert outbound_http.look_up("hooks.example.com", 443) == []
