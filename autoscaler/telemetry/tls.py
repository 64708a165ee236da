"""TLS of the HTTP server, from the section `tls_server_config` of Prometheus' web configuration.

Every option of that section is applied, has no effect in Prometheus either, or is reported as not supported.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from autoscaler.telemetry.yaml_file import NOT_SHOWN, YamlSection, is_shown

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

SUITES = {
    f"TLS_ECDHE_{key}_WITH_{suite}": f"ECDHE-{key}-{name}"
    for key in ("ECDSA", "RSA")
    for suite, name in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
    }.items()
}
"""OpenSSL's names of the TLS 1.2 suites that Go does not call insecure."""

TLS13_SUITES = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""The suites of TLS 1.3. Neither Prometheus nor this server can switch off one of them."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""OpenSSL's names of the curves."""

_SUITE = re.compile(r"[A-Z0-9_]{1,60}", re.ASCII)

CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
NOT_VERIFIED = frozenset({"RequestClientCert", "RequireAnyClientCert", "RequireClientCert"})

OPTIONS = (
    "cert_file", "key_file", "cert", "key", "min_version", "max_version", "cipher_suites",
    "prefer_server_cipher_suites", "curve_preferences", "client_auth_type", "client_ca_file", "client_ca",
)  # fmt: skip
UNSUPPORTED = {"client_allowed_sans": "let a separate CA sign the permitted clients, and name it in client_ca_file"}


def tls_context(tls: YamlSection, folder: Path) -> ssl.SSLContext | None:
    """Return the context of the server. None: the section is not set. Paths are relative to the folder.

    Problems are reported to the section's file; the context is then incomplete.
    """
    if not tls.entries:
        return None
    tls.check_names(OPTIONS, UNSUPPORTED)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _set_versions(tls, context)
    _set_suites(tls, context)
    _set_curve(tls, context)
    _set_clients(tls, context, folder)
    _set_certificate(tls, context, folder)
    return context


def _set_versions(tls: YamlSection, context: ssl.SSLContext) -> None:
    least, most = tls.choice("min_version", VERSIONS, "TLS12"), tls.choice("max_version", VERSIONS, "TLS13")
    if least > most:
        tls.add("min_version", "is above max_version")
    context.minimum_version, context.maximum_version = least, most


def _set_suites(tls: YamlSection, context: ssl.SSLContext) -> None:
    if not tls.flag("prefer_server_cipher_suites", default=True):
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = tls.texts("cipher_suites")
    names = [SUITES[suite] for suite in suites if suite in SUITES]
    if unknown := [suite for suite in suites if suite not in SUITES and suite not in TLS13_SUITES]:
        tls.add("cipher_suites", f"has unknown or insecure suites: {', '.join(map(_suite_shown, unknown))}")
    elif not TLS13_SUITES.isdisjoint(suites) and not TLS13_SUITES.issubset(suites):
        tls.add("cipher_suites", "has some suites of TLS 1.3, which are always on: name all three or none")
    elif suites and not names:
        tls.add("cipher_suites", "has no suite of TLS 1.2. To permit only TLS 1.3, set min_version to TLS13")
    elif names and (missing := _not_set(names, context)):
        tls.add("cipher_suites", f"has suites that this system's OpenSSL does not support: {', '.join(missing)}")


def _suite_shown(name: str) -> str:
    return name if _SUITE.fullmatch(name) else NOT_SHOWN


def _not_set(names: list[str], context: ssl.SSLContext) -> list[str]:
    """Set the suites, and return those that OpenSSL does not support: it ignores them if it supports another one."""
    try:
        context.set_ciphers(":".join(names))
    except ssl.SSLError:
        return names
    available = {suite["name"] for suite in context.get_ciphers()}
    return [name for name in names if name not in available]


def _set_curve(tls: YamlSection, context: ssl.SSLContext) -> None:
    curves = tls.texts("curve_preferences")
    if any(curve not in CURVES for curve in curves):
        tls.add("curve_preferences", f"must be one of {', '.join(CURVES)}")
    elif len(curves) > 1:
        tls.add("curve_preferences", "is not supported with several curves: name one, or remove the option")
    elif curves:
        context.set_ecdh_curve(CURVES[curves[0]])


def _set_clients(tls: YamlSection, context: ssl.SSLContext, folder: Path) -> None:
    """Set which certificates the clients need. A certificate that is not verified would protect nothing."""
    if tls.text("client_auth_type") in NOT_VERIFIED:
        tls.add("client_auth_type", "is not supported without verification: use RequireAndVerifyClientCert")
        return
    mode, authority = tls.choice("client_auth_type", CLIENTS, "NoClientCert"), _pem(tls, "client_ca", folder)
    if authority is None:
        return
    if any(authority) is (mode is ssl.CERT_NONE):
        tls.add("client_auth_type", "and client_ca_file must be set together")
    elif any(authority):
        _trust(tls, context, authority)
        context.verify_mode = mode


def _trust(tls: YamlSection, context: ssl.SSLContext, authority: Pem) -> None:
    # Go trusts every certificate of the file, whether it is a root or not. Python 3.13 would add stricter rules.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(authority.path or None, cadata=authority.text or None)
    except (OSError, ValueError) as error:
        tls.add("client_ca_file" if authority.path else "client_ca", f"must be certificates in PEM ({_cause(error)})")


def _set_certificate(tls: YamlSection, context: ssl.SSLContext, folder: Path) -> None:
    cert, key = _pem(tls, "cert", folder), _pem(tls, "key", folder)
    for name, pem in (("cert_file", cert), ("key_file", key)):
        if pem is not None and not any(pem):
            tls.add(name, "is missing")
    if not cert or not key or not any(cert) or not any(key):
        return
    try:
        with _readable(cert) as cert_path, _readable(key) as key_path:
            context.load_cert_chain(cert_path, key_path, password=lambda: "")
    except (OSError, ValueError) as error:
        tls.add(
            "cert_file", f"and key_file must be a certificate and its key, in PEM without passphrase ({_cause(error)})"
        )


class Pem(NamedTuple):
    """The path of a file in PEM, or its text; the other is empty. Both empty: it is not set."""

    path: str
    text: str


def _pem(tls: YamlSection, name: str, folder: Path) -> Pem | None:
    """Return the content of the option, or of `<option>_file`. None: it cannot be used, which is reported."""
    by_path = f"{name}_file"
    pem = Pem(tls.text(by_path), tls.text(name))
    if all(pem):
        tls.add(name, f"and {by_path} exclude each other")
    elif not pem.text.isascii():
        tls.add(name, "must be a text in PEM")
    elif not is_shown(pem.path):
        tls.add(by_path, f"must be a path. Set a text in PEM with {name}")
    elif not pem.path:
        return pem
    else:
        return _file(tls, by_path, folder / pem.path)
    return None


def _file(tls: YamlSection, name: str, path: Path) -> Pem | None:
    try:
        path.open("rb").close()
    except OSError as error:
        tls.add(name, f"{path} cannot be read: {error.strerror}")
        return None
    return Pem(str(path), "")


@contextmanager
def _readable(pem: Pem) -> Iterator[str]:
    """Yield a path from which OpenSSL can read once. A text is passed through a pipe, so that no key is on a disk."""
    if pem.path:
        yield pem.path
        return
    reading, writing = os.pipe()
    try:
        with open(writing, "wb", buffering=0) as pipe:
            os.set_blocking(writing, False)  # a text of 64 KB fills the pipe
            pipe.write(pem.text.encode())
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


def _cause(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
