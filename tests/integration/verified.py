#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
verified - a certificate request or a self-signed certificate as three other programs see it

    verified.py request|certificate FILE [--names N] [--challenge TEXT]

FILE is DER or PEM. openssl, GnuTLS and Python's cryptography each verify the signature with the public key
inside; each must read as many alternative names as are expected. Exits 0, or says which of them found what.
"""
import argparse
import contextlib
import ctypes
import re
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509.oid import AttributeOID, ExtensionOID

GNUTLS_PEM = 1
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def run(*command, text):
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {output}")
    return output


@contextlib.contextmanager
def pem_file(pem):
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        yield file.name


def expect(who, what, found, expected):
    if found != expected:
        sys.exit(f"{who}: {what} is {found!r}, not {expected!r}")


def openssl(kind, pem, names, challenge):
    if kind == "request":
        text = run("openssl", "req", "-verify", "-noout", "-text", "-nameopt", "utf8", text=pem)
        expect("openssl", "the signature", "verify OK" in text, True)
        found = re.search(r"challengePassword *:(.*)", text)
        if challenge is None or challenge.isascii():
            expect("openssl", "the challenge", found and found.group(1), challenge)
    else:
        text = run("openssl", "x509", "-noout", "-text", text=pem)
        with pem_file(pem) as path:
            run("openssl", "verify", "-check_ss_sig", "-CAfile", path, path, text=b"")
    found = re.findall(r"(?:DNS|IP Address|email|URI):", text)
    expect("openssl", "the number of names", len(found), names)
    expect("openssl", "an authority", "CA:TRUE" in text, False)


def gnutls(kind, pem, names):
    if kind == "request":
        text = run("certtool", "--crq-info", text=pem)
        expect("certtool", "the signature", "Self signature: verified" in text, True)
    else:
        text = run("certtool", "--certificate-info", text=pem)
        gnutls_verify(pem)
    found = re.findall(r"^\t+(?:DNSname|IPAddress|RFC822Name|URI): ", text, re.M)
    expect("certtool", "the number of names", len(found), names)


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


# certtool's --verify wants an authority at the end of a chain, and takes what is trusted without looking at its
# signature: so the library is asked whether this key signed these bytes.
def gnutls_verify(pem):
    library = ctypes.CDLL("libgnutls.so.30")
    certificate, key = ctypes.c_void_p(), ctypes.c_void_p()
    data = Datum(pem, len(pem))
    body = x509.load_pem_x509_certificate(pem).tbs_certificate_bytes
    signature = ctypes.create_string_buffer(1024)
    signature_len = ctypes.c_size_t(len(signature))
    library.gnutls_x509_crt_init(ctypes.byref(certificate))
    library.gnutls_pubkey_init(ctypes.byref(key))
    steps = [
        library.gnutls_x509_crt_import(certificate, ctypes.byref(data), GNUTLS_PEM),
        library.gnutls_pubkey_import_x509(key, certificate, 0),
        library.gnutls_x509_crt_get_signature(certificate, signature, ctypes.byref(signature_len)),
    ]
    expect("GnuTLS", "reading the certificate", steps, [0, 0, 0])
    algorithm = library.gnutls_x509_crt_get_signature_algorithm(certificate)
    signed = Datum(signature.raw[: signature_len.value], signature_len.value)
    found = library.gnutls_pubkey_verify_data2(
        key, algorithm, 0, ctypes.byref(Datum(body, len(body))), ctypes.byref(signed)
    )
    expect("GnuTLS", "the signature is good", found >= 0, True)


def cryptography(kind, pem, names, challenge):
    if kind == "request":
        parsed = x509.load_pem_x509_csr(pem)
        body = parsed.tbs_certrequest_bytes
        expect("cryptography", "the challenge", challenge_of(parsed), challenge)
    else:
        parsed = x509.load_pem_x509_certificate(pem)
        body = parsed.tbs_certificate_bytes
        expect("cryptography", "the issuer", parsed.issuer, parsed.subject)
    verify(parsed, body)
    try:
        found = len(parsed.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value)
    except x509.ExtensionNotFound:
        found = 0
    expect("cryptography", "the number of names", found, names)
    constraints = parsed.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    expect("cryptography", "an authority", constraints.value.ca, False)


def challenge_of(request):
    try:
        return request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value.decode()
    except x509.AttributeNotFound:
        return None


def verify(parsed, body):
    key = parsed.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(parsed.signature, body)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(parsed.signature, body, ec.ECDSA(parsed.signature_hash_algorithm))
    elif parsed.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.10":
        verify_pss(key, parsed, body)
    else:
        key.verify(parsed.signature, body, padding.PKCS1v15(), parsed.signature_hash_algorithm)


# This version of cryptography does not read the parameters, so each hash is tried.
def verify_pss(key, parsed, body):
    for algorithm in HASHES.values():
        try:
            key.verify(parsed.signature, body, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
            return
        except Exception:  # pylint: disable=broad-except
            continue
    sys.exit("cryptography: the PSS signature does not verify")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["request", "certificate"])
    parser.add_argument("file")
    parser.add_argument("--names", type=int, default=0)
    parser.add_argument("--challenge")
    options = parser.parse_args()
    with open(options.file, "rb") as file:
        data = file.read()
    pem = data if data.startswith(b"-----") else to_pem(options.kind, data)
    openssl(options.kind, pem, options.names, options.challenge)
    gnutls(options.kind, pem, options.names)
    cryptography(options.kind, pem, options.names, options.challenge)


def to_pem(kind, der):
    load = x509.load_der_x509_csr if kind == "request" else x509.load_der_x509_certificate
    return load(der).public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    main()
