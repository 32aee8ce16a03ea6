#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
requests - full handshakes and requests to a web server, from several processes at once, until told to stop

    requests.py PORT CA-FILE STOP-FILE

Each process makes one connection after the other, with nothing resumed: TLS 1.3, TLS 1.2 with the server's ECDSA key, TLS
1.2 with its RSA key. It asks for / and judges the certificate and the answer. Prints "running" when every kind has been
answered once. When STOP-FILE is there each process makes some more requests and ends; what was seen is printed as JSON:
how many requests, which failed and how, and for each kind the serial numbers of the certificates in the order of their
first sight.
"""
import json
import multiprocessing
import os
import socket
import ssl
import sys
import time

TIMEOUT_S = 30  # one request; longer than a signature may take by default
PAUSE_S = 0.002  # leaves the processors to those who are tested
REQUESTS_AFTER_STOP = 5
KINDS = {
    "tls1.3": (ssl.TLSVersion.TLSv1_3, None),
    "ecdsa": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "rsa": (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
}


def context(ca_file, kind):
    version, ciphers = KINDS[kind]
    made = ssl.create_default_context(cafile=ca_file)
    made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    return made


def request(port, tls):
    """One handshake and one request on a connection of their own; the certificate's serial number."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
        with tls.wrap_socket(plain, server_hostname="localhost") as connection:
            serial = connection.getpeercert()["serialNumber"]
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := connection.recv(65536):
                answer += data
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"answered {answer[:40]!r}")
    return serial


def run(kind, port, ca_file, stop_file, answered):
    tls = context(ca_file, kind)
    report = {"requests": 0, "failures": [], "serials": []}
    left = REQUESTS_AFTER_STOP
    parent = os.getppid()
    while left and os.getppid() == parent:  # whoever kills the test's process ends the others too
        left -= os.path.exists(stop_file)
        report["requests"] += 1
        try:
            serial = request(port, tls)
            if serial not in report["serials"]:
                report["serials"].append(serial)
            answered.release()
        except (OSError, ValueError) as error:
            report["failures"].append(f"{time.monotonic():.3f} {error!r}")
        time.sleep(PAUSE_S)
    return report


def run_one(arguments):
    return run(*arguments, ANSWERED[arguments[0]])


ANSWERED = {kind: multiprocessing.Semaphore(0) for kind in KINDS}


def main():
    port, ca_file, stop_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    with multiprocessing.Pool(len(KINDS)) as pool:
        reports = pool.map_async(run_one, [(kind, port, ca_file, stop_file) for kind in KINDS], chunksize=1)
        for answered in ANSWERED.values():
            if not answered.acquire(timeout=TIMEOUT_S):
                break
        else:
            print("running", flush=True)
        print(json.dumps(dict(zip(KINDS, reports.get()))))


if __name__ == "__main__":
    main()
