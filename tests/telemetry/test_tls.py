"""TLS of the HTTP interface: each option of `tls_server_config` has its effect on a handshake, or is reported."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from autoscaler.errors import ConfigError
from autoscaler.telemetry import read_access as read
from autoscaler.telemetry import serve
from autoscaler.telemetry.tls import SUITES, TLS13_SUITES
from tests.telemetry.certificates import write_certificate, write_signed
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with
from tests.telemetry.test_web_config import problems

FILES = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"


def context_of(folder: Path, text: str) -> ssl.SSLContext:
    path = folder / "web.yml"
    path.write_text(text)
    context = read(str(path)).tls
    assert context is not None
    return context


def options(folder: Path, *lines: str) -> ssl.SSLContext:
    return context_of(folder, FILES + "".join(f"  {line}\n" for line in lines))


def refused(folder: Path, *lines: str) -> list[str]:
    """Return the problems of these options without their lines."""
    found = problems(folder, FILES + "".join(f"  {line}\n" for line in lines))
    return [problem.partition(": tls_server_config.")[2] for problem in found]


@pytest.fixture
def trusted(tmp_path: Path) -> ssl.SSLContext:
    """A client that trusts the server's certificate, which is written to the folder."""
    return ssl.create_default_context(cafile=write_certificate(tmp_path))


@asynccontextmanager
async def listening(server: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as accepting:
        yield int(accepting.sockets[0].getsockname()[1])


async def connected(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """Connect, exchange one line, and return the version and the suite. Raises OSError if the server refuses."""
    async with listening(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        try:
            writer.write(b"hello\n")
            if await reader.readline() != b"hello\n":
                raise ConnectionResetError
            tls = writer.get_extra_info("ssl_object")
            return {"version": tls.version(), "suite": tls.cipher()[0]}
        finally:
            writer.transport.abort()


async def is_refused(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    try:
        await connected(server, client)
    except OSError:
        return True
    return False


async def test_with_tls_the_page_is_served_and_plain_http_and_old_versions_are_refused(
    tmp_path: Path, trusted: ssl.SSLContext
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(FILES + "  min_version: TLS13\n")
    desk = desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=read(str(path))) as port,
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(20), connector=aiohttp.TCPConnector(force_close=True)
        ) as session,
    ):
        for _ in range(2):
            async with session.get(f"https://127.0.0.1:{port}/", ssl=trusted, server_hostname="localhost") as response:
                assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{port}/")
        trusted.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{port}/", ssl=trusted, server_hostname="localhost")


@pytest.mark.parametrize(
    ("lines", "versions"),
    [([], {"TLSv1.2", "TLSv1.3"}), (["min_version: TLS13"], {"TLSv1.3"}), (["max_version: TLS12"], {"TLSv1.2"}),
     (["min_version: TLS12", "max_version: TLS13"], {"TLSv1.2", "TLSv1.3"})],
)  # fmt: skip
async def test_only_the_versions_of_the_file_are_accepted(
    tmp_path: Path, trusted: ssl.SSLContext, lines: list[str], versions: set[str]
) -> None:
    server, found = options(tmp_path, *lines), set()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusted.minimum_version, trusted.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        trusted.minimum_version = trusted.maximum_version = version
        try:
            found.add((await connected(server, trusted))["version"])
        except OSError:
            continue
    assert found == versions


async def test_only_the_cipher_suites_of_the_file_are_used_below_tls_1_3(
    tmp_path: Path, trusted: ssl.SSLContext
) -> None:
    trusted.maximum_version = ssl.TLSVersion.TLSv1_2
    trusted.set_ciphers("ALL")
    for suite, name in SUITES.items():
        if "_RSA_" not in suite:  # the certificate has an elliptic curve
            server = options(tmp_path, f"cipher_suites: [{suite}, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]")
            assert (await connected(server, trusted))["suite"] == name
    only_rsa = options(tmp_path, "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]")
    assert await is_refused(only_rsa, trusted)


async def test_all_secure_suites_of_go_are_accepted(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    server = options(tmp_path, f"cipher_suites: [{', '.join([*SUITES, *TLS13_SUITES])}]")
    assert len(SUITES) == 10
    assert (await connected(server, trusted))["version"] == "TLSv1.3"


@pytest.mark.parametrize("is_server", [True, False])
async def test_the_preferred_cipher_suite_is_that_of_the_server_or_of_the_client(
    tmp_path: Path, trusted: ssl.SSLContext, is_server: bool
) -> None:
    first, second = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
    suites = "[TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"
    trusted.maximum_version = ssl.TLSVersion.TLSv1_2
    trusted.set_ciphers(f"{second}:{first}")
    server = options(tmp_path, f"cipher_suites: {suites}", f"prefer_server_cipher_suites: {str(is_server).lower()}")
    assert (await connected(server, trusted))["suite"] == (first if is_server else second)


async def test_only_the_curve_of_the_file_is_accepted(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    for curve, other in (("CurveP256", "secp384r1"), ("CurveP384", "X25519"), ("X25519", "prime256v1")):
        server = options(tmp_path, f"curve_preferences: [{curve}]")
        assert not await is_refused(server, ssl.create_default_context(cafile=tmp_path / "cert.pem"))
        trusted.set_ecdh_curve(other)
        assert await is_refused(server, trusted)


def with_certificate(trusted: ssl.SSLContext, folder: Path, name: str) -> ssl.SSLContext:
    client = ssl.create_default_context(cafile=folder / "cert.pem")
    client.load_cert_chain(folder / f"{name}.pem", folder / f"{name}-key.pem")
    return client


async def test_clients_need_a_certificate_of_the_ca_in_the_file(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    _, authority = write_signed(tmp_path, "ca.pem", "ca-key.pem")
    write_signed(tmp_path, "ann.pem", "ann-key.pem", authority)
    write_certificate(tmp_path, "stranger.pem", "stranger-key.pem")
    ann, stranger = (with_certificate(trusted, tmp_path, name) for name in ("ann", "stranger"))
    inline = "client_ca: |\n" + "".join(f"    {line}\n" for line in (tmp_path / "ca.pem").read_text().splitlines())
    for authority_option in ("client_ca_file: ca.pem", inline):
        required = options(tmp_path, "client_auth_type: RequireAndVerifyClientCert", authority_option)
        optional = options(tmp_path, "client_auth_type: VerifyClientCertIfGiven", authority_option)
        for server, allows_none in ((required, False), (optional, True)):
            assert not await is_refused(server, ann)
            assert await is_refused(server, stranger)
            assert await is_refused(server, trusted) is not allows_none
    none = options(tmp_path, "client_auth_type: NoClientCert")
    assert not any([await is_refused(none, client) for client in (ann, stranger, trusted)])


async def test_a_certificate_and_its_key_may_be_in_the_file_itself(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    text = "tls_server_config:\n"
    for name in ("cert", "key"):
        lines = (tmp_path / f"{name}.pem").read_text().splitlines()
        text += f"  {name}: |\n" + "".join(f"    {line}\n" for line in lines)
    assert not await is_refused(context_of(tmp_path, text), trusted)
    mixed = text.partition("  key:")[0] + "  key_file: key.pem\n"
    (tmp_path / "cert.pem").rename(tmp_path / "moved.pem")
    assert not await is_refused(context_of(tmp_path, mixed), trusted)


def long_chain(folder: Path) -> str:
    """Return a file of almost 65,536 bytes, with a certificate that is repeated as its own chain."""
    lines = (folder / "cert.pem").read_text().splitlines()
    once = "".join(f"    {line}\n" for line in lines)
    return "tls_server_config:\n  key_file: key.pem\n  cert: |\n" + once * (65_000 // len(once))


async def test_a_certificate_of_any_permitted_size_is_read(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    assert not await is_refused(context_of(tmp_path, long_chain(tmp_path)), trusted)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["min_version: TLS11"], ["min_version must be one of TLS12, TLS13"]),
        (["max_version: TLS10"], ["max_version must be one of TLS12, TLS13"]),
        (["min_version: TLS13", "max_version: TLS12"], ["min_version is above max_version"]),
        (["cipher_suites: TLS_RSA"], ["cipher_suites must be a list of texts"]),
        (
            ["cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, 'a b']"],
            ["cipher_suites has unknown or insecure suites: TLS_RSA_WITH_AES_128_CBC_SHA, (name not shown)"],
        ),
        (
            ["cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"],
            ["cipher_suites has some suites of TLS 1.3, which are always on: name all three or none"],
        ),
        (
            ["cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256]"],
            ["cipher_suites has no suite of TLS 1.2. To permit only TLS 1.3, set min_version to TLS13"],
        ),
        (["prefer_server_cipher_suites: 2"], ["prefer_server_cipher_suites must be true or false"]),
        (["curve_preferences: [Curve1]"], ["curve_preferences must be one of CurveP256, CurveP384, CurveP521, X25519"]),
        (
            ["curve_preferences: [X25519, CurveP256]"],
            ["curve_preferences is not supported with several curves: name one, or remove the option"],
        ),
        (
            ["client_auth_type: RequireAnyClientCert", "client_ca_file: cert.pem"],
            ["client_auth_type is not supported without verification: use RequireAndVerifyClientCert"],
        ),
        (
            ["client_auth_type: Always"],
            ["client_auth_type must be one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"],
        ),
        (["client_ca_file: cert.pem"], ["client_auth_type and client_ca_file must be set together"]),
        (
            ["client_auth_type: RequireAndVerifyClientCert"],
            ["client_auth_type and client_ca_file must be set together"],
        ),
        (
            ["client_auth_type: RequireAndVerifyClientCert", "client_ca_file: cert.pem", "client_ca: x"],
            ["client_ca and client_ca_file exclude each other"],
        ),
        (
            ["client_allowed_sans: [a]"],
            ["client_allowed_sans is not supported: let a separate CA sign the permitted clients, and name it in "
             "client_ca_file"],
        ),
        (["cert: x"], ["cert and cert_file exclude each other"]),
    ],
)  # fmt: skip
def test_an_option_without_effect_is_reported(
    tmp_path: Path, trusted: ssl.SSLContext, lines: list[str], expected: list[str]
) -> None:
    assert refused(tmp_path, *lines) == expected


def broken(change: Callable[[Path], object], folder: Path) -> list[str]:
    write_certificate(folder)
    change(folder)
    return refused(folder)


NO_PAIR = "cert_file and key_file must be a certificate and its key, in PEM without passphrase"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: (folder / "cert.pem").unlink(), "cert_file {folder}/cert.pem cannot be read: No such file"),
        (lambda folder: (folder / "cert.pem").write_text("no"), NO_PAIR),
        (lambda folder: (folder / "key.pem").write_text("no"), NO_PAIR),
        (lambda folder: write_certificate(folder, "other.pem"), f"{NO_PAIR} (KEY_VALUES_MISMATCH)"),
    ],
)  # fmt: skip
def test_an_invalid_certificate_is_reported(tmp_path: Path, change: Callable[[Path], object], expected: str) -> None:
    [problem] = broken(change, tmp_path)
    assert problem.startswith(expected.format(folder=tmp_path))


def test_a_missing_certificate_or_key_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path, "tls_server_config:\n  min_version: TLS13\n") == [
        "1: tls_server_config.cert_file is missing", "1: tls_server_config.key_file is missing",
    ]  # fmt: skip


def test_a_key_at_the_place_of_a_path_is_not_shown(tmp_path: Path, trusted: ssl.SSLContext) -> None:
    key = (tmp_path / "key.pem").read_text()
    text = FILES.replace("key.pem", "|\n" + "".join(f"      {line}\n" for line in key.splitlines()))
    with pytest.raises(ConfigError) as error:
        context_of(tmp_path, text)
    assert "must be a path. Set a text in PEM with key" in str(error.value)
    assert not any(line in str(error.value) for line in key.splitlines())
