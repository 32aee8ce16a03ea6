#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
agent_client - clients of keysvc-agent's HTTPS that curl is not

    agent_client.py hold PORT               a connection; prints "held", then "closed" when the agent closes it
    agent_client.py known PORT CERT KEY     requests on one connection with a client's certificate until the answer's status
                                            is another one than the first; prints both; 1 if that takes 60 s
    agent_client.py slow PORT PHASE         a byte each 50 ms, in the handshake, line, headers, body or chunk; or does
                                            not read an answer; 0 if the agent ends that within 20 s. API_TOKEN: who
    agent_client.py bodies PORT N           N connections with most of a body of 1 MiB; prints how many were answered 401
    agent_client.py silent PORT N           keeps opening connections that say nothing, N at a time, until its end; prints
                                            "held" when it has them
    agent_client.py impatient PORT N S      N threads that make handshakes without pause for S seconds; prints how many
                                            handshakes there were, and in how many seconds; 1 if one failed
    agent_client.py places PORT N           N connections are served, one more waits, and is served when another goes
    agent_client.py load PORT FILE          new connections one after the other until FILE exists, with TLS 1.2 and 1.3
                                            in turn; prints how many, and how many certificates; 1 if one failed
    agent_client.py beside PORT FILE        requests on 8 connections until FILE exists; prints on how many of them
                                            none took 5 s, and how long the slowest took; 1 if one was closed
    agent_client.py changes PORT TOKEN DIR  on the 8 connections of an agent that takes 8 with 4 loops: a change when
                                            DIR/one exists, others on all of them when DIR/others does. 0 if those of
                                            two loops are refused, are given the list all the same, and the rest is
                                            answered in the end
"""
import concurrent.futures
import hashlib
import os
import select
import socket
import ssl
import sys
import threading
import time

PATIENCE = 20
GET = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"


def dial(port):
    return socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)


def connect(port, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context.wrap_socket(dial(port))


def ask(connection):
    """True: an answer came, and the connection is good for another request."""
    connection.sendall(GET)
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(65536)
        if not part:
            return False
        text += part
    head, body = text.split(b"\r\n\r\n", 1)
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return False
        body += part
    return head.startswith(b"HTTP/1.1 4")


def hold(port):
    connection = connect(port)
    if not ask(connection):
        return 1
    print("held", flush=True)
    connection.settimeout(120)
    try:
        gone = connection.recv(1) == b""
    except ConnectionError:
        gone = True
    print("closed" if gone else "spoken to", flush=True)
    return 0 if gone else 1


def known(port, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    connection = context.wrap_socket(dial(port))
    first = None
    begin = time.monotonic()
    while time.monotonic() - begin < 3 * PATIENCE:
        connection.sendall(b"GET /e/default/api/v1/certificate/list HTTP/1.1\r\nHost: localhost\r\n\r\n")
        code, _ = answer(connection)
        if code != first:
            print(code, flush=True)
            if first:
                return 0
            first = code
        time.sleep(0.1)
    return 1


LOGIN = b"Authorization: Api-Token " + os.environ.get("API_TOKEN", "").encode() + b"\r\n"
BEGINNINGS = {
    "line": (b"G", b"E"),
    "headers": (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a"),
    "body": (b"PUT / HTTP/1.1\r\nHost: x\r\n" + LOGIN + b"Content-Length: 100000\r\n\r\n", b"a"),
    "chunk": (b"PUT / HTTP/1.1\r\nHost: x\r\n" + LOGIN + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n", b"a"),
}


def slow(port, phase):
    if phase == "handshake":
        connection = dial(port)
        # A client hello of 15 KiB that does not end.
        beginning, byte = b"\x16\x03\x01\x3f\x00\x01\x00\x3c\x00", b"\0"
    else:
        connection = connect(port)
        beginning, byte = BEGINNINGS[phase]
    begin = time.monotonic()
    try:
        connection.sendall(beginning)
        while time.monotonic() - begin < PATIENCE:
            if select.select([connection], [], [], 0.05)[0] and connection.recv(4096) == b"":
                return 0
            connection.sendall(byte)
    except (ConnectionError, ssl.SSLError):
        return 0
    return 1


def bodies(port, count):
    held = []
    refused = 0
    for _ in range(int(count)):
        held.append(connect(port))
        try:
            held[-1].sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + bytes(1048575))
        except OSError:
            pass  # it is not read to its end
    for connection in held:
        connection.settimeout(PATIENCE)
        try:
            refused += connection.recv(64).startswith(b"HTTP/1.1 401 ")
        except OSError:
            pass
    print(refused)
    return 0


def silent(port, count):
    held, told = [], False
    while True:
        while len(held) < int(count):
            held.append(dial(port))
        if not told:
            told = True
            print("held", flush=True)
        gone = select.select(held, [], [], 1)[0]
        for connection in gone:
            connection.close()
            held.remove(connection)
        time.sleep(0.001)  # a test beside others


def impatient(port, count, seconds):
    begin = time.monotonic()
    made = []

    def hurry():
        while time.monotonic() - begin < float(seconds):
            connect(port).close()
            made.append(True)
        made.append("ended")

    threads = [threading.Thread(target=hurry) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("handshakes:", made.count(True))
    print("seconds:", int(time.monotonic() - begin) + 1)
    return 0 if made.count("ended") == int(count) else 1


def places(port, count):
    held = [connect(port) for _ in range(int(count))]
    waiting = dial(port)
    waiting.sendall(b"no TLS\r\n\r\n")  # whoever speaks to it answers with an alert
    if select.select([waiting], [], [], 1)[0]:
        return 1
    if not all(ask(connection) for connection in held):
        return 1
    held.pop().close()
    if not select.select([waiting], [], [], PATIENCE)[0]:
        return 1
    waiting.close()
    last = connect(port)
    return 0 if ask(last) and all(ask(connection) for connection in held) else 1


def load(port, path):
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    count = failed = 0
    seen = set()
    while not os.path.exists(path):
        try:
            connection = connect(port, versions[count % 2])
            seen.add(hashlib.sha256(connection.getpeercert(True)).hexdigest())
            if not ask(connection):
                raise OSError("no answer")
            connection.close()
        except OSError as error:  # ssl's errors are such
            print(f"connection {count}: {error}", flush=True)
            failed += 1
        count += 1
    print(f"connections: {count}, failed: {failed}, certificates: {len(seen)}", flush=True)
    return 1 if failed else 0


def beside(port, path):
    # At once: a loop that is in a handshake accepts no other, so they come to several.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(lambda _: connect(port), range(8)))
    print("connected", flush=True)
    worst = [0.0] * len(connections)

    def ask_on(number):
        while not os.path.exists(path):
            begin = time.monotonic()
            if not ask(connections[number]):
                worst[number] = 1000.0
                return
            worst[number] = max(worst[number], time.monotonic() - begin)
            time.sleep(0.05)

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("quick:", sum(seconds < 5 for seconds in worst))
    print("slowest:", max(worst))
    return 0 if max(worst) < 1000 else 1


CHANGES = (
    ("POST", "/api/v1/identity/agent/csr"),
    ("DELETE", "/e/default/api/v1/certificate/none"),
    ("POST", "/api/v1/identity/agent/self-signed"),
    ("POST", "/api/v1/identity/agent/rollback"),
)


def send(connection, token, method, path):
    text = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Api-Token {token}\r\nContent-Length: 0\r\n\r\n"
    connection.sendall(text.encode())


def answer(connection):
    """The status, and the headers as they came."""
    connection.settimeout(3 * PATIENCE)
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(65536)
        if not part:
            return 0, b""
        text += part
    head, body = text.split(b"\r\n\r\n", 1)
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), head


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.05)


def changes(port, token, folder):
    connections = [connect(port) for _ in range(8)]
    print("connected", flush=True)
    wait_for(folder + "/one")
    send(connections[0], token, *CHANGES[0])
    wait_for(folder + "/others")
    for number, connection in enumerate(connections[1:]):
        send(connection, token, *CHANGES[number % len(CHANGES)])
    refused = []
    end = time.monotonic() + PATIENCE
    while len(refused) < 4 and time.monotonic() < end:
        for connection in select.select([c for c in connections if c not in refused], [], [], 0.1)[0]:
            code, head = answer(connection)
            print("before the token is back:", code, flush=True)
            if code != 503 or b"\r\nRetry-After: 1" not in head:
                return 1
            refused.append(connection)
    for connection in refused:
        send(connection, token, "GET", "/e/default/api/v1/certificate/list")
        code, _ = answer(connection)
        print("list:", code, flush=True)
        if code != 200:
            return 1
    print("served", flush=True)
    rest = [answer(connection)[0] for connection in connections if connection not in refused]
    print("later:", rest, flush=True)
    return 0 if len(refused) == 4 and all(rest) else 1


def main():
    verb, *arguments = sys.argv[1:]
    verbs = {"hold": hold, "known": known, "slow": slow, "bodies": bodies, "silent": silent, "impatient": impatient, "places": places, "load": load, "beside": beside, "changes": changes}
    return verbs[verb](*arguments)


if __name__ == "__main__":
    sys.exit(main())
