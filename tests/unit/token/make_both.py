#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
make_both - byte strings that are a TLS 1.2 ServerKeyExchange and something else that one signs

Prints both.h. What a ServerKeyExchange signs is 64 bytes of randoms, 03, the group, the length of a point and the point,
and whoever asks may claim any randoms. For secp521r1 the point is 04, x and y of 66 bytes: x, below 2^521, takes the rest of
an ASN.1 structure, and y, which then is what the curve says, lies in a field that may hold anything.

    request      CertificationRequestInfo: the end of the subject, the key and the begin of the attributes are x; y is the
                 type of an attribute, and ends in its empty set of values. Keys of P-256 fit as a compressed point.
    small        CertificationRequestInfo for an Ed25519 key, and smaller groups: all of it is the value of an attribute
    certificate  TBSCertificate: the end of the subject and somebody's Ed25519 key are x; y is the subjectUniqueID
"""
import random

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P = 2**521 - 1
B = 0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
G256 = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
LENGTH = 64 + 4 + 133
HEADER = bytes([3, 0, 25, 133, 4])  # at 64: a named curve, secp521r1, the length of the point, its form
ED25519 = bytes.fromhex("302a300506032b6570032100")
UTC_TIMES = bytes.fromhex("301e170d") + b"250101000000Z" + b"\x17\x0d" + b"350101000000Z"


def ys(x):
    """Both y for this x, or none."""
    square = (x**3 - 3 * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    return [y, P - y] if y * y % P == square else []


def subject_to(offset):
    """A subject that begins at `offset`, has HEADER at 64 and ends behind the first byte of x, which is 0."""
    value = bytes(64 - offset - 11) + HEADER + b"\x00"
    attribute = bytes([0x06, 0x01, 0x2A, 0x14, len(value)]) + value
    return bytes([0x30, len(attribute) + 4, 0x31, len(attribute) + 2, 0x30, len(attribute)]) + attribute


def add256(a, b):
    slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P256) % P256
    x = (slope * slope - a[0] - b[0]) % P256
    return x, (slope * (a[0] - x) - a[1]) % P256


def multiply256(k):
    point, power, result = G256, k, None
    while power:
        if power & 1:
            result = add256(result, point) if result else point
        slope = (3 * point[0] ** 2 - 3) * pow(2 * point[1], -1, P256) % P256
        x = (slope * slope - 2 * point[0]) % P256
        point = x, (slope * (point[0] - x) - point[1]) % P256
        power >>= 1
    return result


def whole_identifiers(data):
    """Are these bytes the contents of an OBJECT IDENTIFIER?"""
    begins = True
    for byte in data:
        if begins and byte == 0x80:
            return False
        begins = byte < 0x80
    return begins


def keys_p256():
    """Private keys one after the other, and their public halves as SubjectPublicKeyInfo."""
    private = random.getrandbits(255)
    public = multiply256(private)
    while True:
        key = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
        yield private.to_bytes(32, "big"), key + bytes([2 + public[1] % 2]) + public[0].to_bytes(32, "big")
        private, public = private + 1, add256(public, G256)


def keys_ed25519():
    while True:
        private = random.randbytes(32)
        public = ed25519.Ed25519PrivateKey.from_private_bytes(private).public_key()
        yield private, ED25519 + public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def request(keys):
    head = bytes([0x30, 0x81, LENGTH - 3, 0x02, 0x01, 0x00])
    head += subject_to(len(head))
    tail = bytes([0x31, 0x00])
    for private, key in keys:
        body = head + key
        body += bytes([0xA0, LENGTH - len(body) - 2, 0x30, LENGTH - len(body) - 4, 0x06, LENGTH - len(body) - 6 - len(tail)])
        body += bytes(64 + 5 + 66 - len(body))
        for y in ys(int.from_bytes(body[69:], "big")):
            y = y.to_bytes(66, "big")
            if y.endswith(tail) and whole_identifiers(y[: -len(tail)]):
                return body + y, private


def small(group, point):
    private, key = next(keys_ed25519())
    value = bytes([3, 0, group, len(point)]) + point
    begin = bytes([0x02, 0x01, 0x00, 0x30, 0x00]) + key
    long = len(begin) + len(value) + 13 > 127
    kind = bytes([0x55, 0x04] if long else [0x55, 0x04, 0x03])
    for tag in (0x04, 0x31):
        value = bytes([tag, len(value)]) + value
    value = bytes([0x06, len(kind)]) + kind + value
    for tag in (0x30, 0xA0):
        value = bytes([tag, len(value)]) + value
    body = begin + value
    body = (bytes([0x30, 0x81]) if long else bytes([0x30])) + bytes([len(body)]) + body
    return body, private


def point_of(curve):
    public = ec.derive_private_key(random.getrandbits(200), curve).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def certificate(algorithm):
    head = bytes([0x30, 0x81, LENGTH - 3, 0x02, 0x01, 0x01]) + bytes.fromhex(algorithm) + b"\x30\x00" + UTC_TIMES
    head += subject_to(len(head)) + ED25519 + random.randbytes(32)
    head += bytes([0x82, LENGTH - len(head) - 2, 0x00])
    while True:
        body = head + random.randbytes(64 + 5 + 66 - len(head))
        for y in ys(int.from_bytes(body[69:], "big")):
            return body + y.to_bytes(66, "big")


def show(name, data):
    print(f"static const uint8_t {name}[] = {{")
    for at in range(0, len(data), 15):
        print("    " + " ".join(f"0x{byte:02x}," for byte in data[at : at + 15]))
    print("};\n")


def main():
    random.seed("keysvc")
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/*\n * both - a ServerKeyExchange and a request or certificate at once, by make_both.py\n */")
    print("#pragma once\n\n#include <stdint.h>\n\n/* clang-format off */")
    for name, (body, private) in {
        "ED25519_X25519": small(29, random.randbytes(32)),
        "ED25519_P256": small(23, point_of(ec.SECP256R1())),
        "ED25519_P384": small(24, point_of(ec.SECP384R1())),
        "ED25519_P521": request(keys_ed25519()),
        "P256_P521": request(keys_p256()),
    }.items():
        show("BOTH_REQUEST_" + name, body)
        show("BOTH_REQUEST_" + name + "_PRIVATE", private)
    show("BOTH_CERTIFICATE_ED25519", certificate("300506032b6570"))
    show("BOTH_CERTIFICATE_ECDSA_SHA256", certificate("300a06082a8648ce3d040302"))
    show("BOTH_CERTIFICATE_ECDSA_SHA384", certificate("300a06082a8648ce3d040303"))
    show("BOTH_CERTIFICATE_RSA_SHA256", certificate("300b06092a864886f70d01010b"))
    print("/* clang-format on */")


main()
