# SPDX-License-Identifier: Apache-2.0
"""
fake_agent - an agent's REST interface as the console uses it, over real TLS, which can be told to misbehave

    fake_agent.py DIR

DIR/key.pem and DIR/certificate.pem are what it serves with, read for each connection; they are made if they are
missing, so a test changes the certificate by replacing the file. DIR/token is the token it wants, if it is there. DIR/mode
says how it answers: nothing (well), or one of MODES below; "apply:close" does so to one route only. It writes the port
into DIR/port when it listens, and a line for each request whose headers it has read, with its Authorization, into
DIR/requests: what an impostor would know. While DIR/shown.pem is there that certificate is shown, by somebody who has
no key of it; the mode "shown" puts DIR/stolen.pem there. While DIR/deaf is there each connection is closed at once; the
mode "done-then-deaf" answers well and puts it there. The mode "rekeyed-then-deaf" does too, with the key of DIR/next.pem.
"""
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import time

ROUTES = "/api/v1/identity/agent/"
ANSWERS = {
    "401": (401, {"error": {"code": "DENIED", "message": "no such token", "hint": "", "retryable": False}}),
    "403": (403, {"error": {"code": "DENIED", "message": "its scope is not enough", "hint": "", "retryable": False}}),
    "503": (503, {"error": {"code": "TOKEN_UNAVAILABLE", "message": "the token is away", "hint": "", "retryable": True}}),
    "list": (200, ["not", "an", "object"]),
    "escape": (400, {"error": {"code": "BAD_REQUEST", "message": "\x1b[2Jbad\u009b", "hint": "", "retryable": False}}),
}
MODES = ["hang", "slow", "close", "half", "garbage", "huge", "redirect", "bare-500", "done-then-close", "done-then-hang", "done-then-deaf", "rekeyed-then-deaf", "impostor", "shown"] + list(ANSWERS)


def openssl(*arguments, text=""):
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=True).stdout


def words(name):
    """DNS:a of a, IP:10.0.0.1 of 10.0.0.1."""
    return name if ":" in name else f"IP:{name}" if name.replace(".", "").isdigit() else f"DNS:{name}"


class Agent:
    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name
        self.address = "127.0.0.1"
        if not self.path("key.pem").exists():
            self.new_key()
        if not self.path("certificate.pem").exists():
            self.self_sign()

    def path(self, name):
        return self.folder / name

    def read(self, name):
        return self.path(name).read_text() if self.path(name).exists() else ""

    def put(self, name, text):
        new = self.path(name + ".new")
        new.write_text(text)
        new.rename(self.path(name))

    def new_key(self):
        self.put("key.pem", openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))

    def names(self):
        return f"subjectAltName=DNS:{self.name}.example,IP:{self.address}"

    def self_sign(self):
        self.put("certificate.pem", openssl(
            "req", "-x509", "-new", "-key", str(self.path("key.pem")), "-subj", f"/CN={self.name}.example", "-days", "30",
            "-addext", self.names(), "-addext", "extendedKeyUsage=serverAuth"))

    def mode(self, route):
        mode = self.read("mode").strip()
        only, _, what = mode.partition(":")
        if not what:
            return mode
        return what if only == route else ""

    def status(self):
        lines = openssl("x509", "-noout", "-subject", "-issuer", "-fingerprint", "-sha256", "-nameopt", "RFC2253",
                        text=self.read("certificate.pem")).splitlines()
        subject, issuer, fingerprint = [line.partition("=")[2] for line in lines]
        return {"identity": "agent", "state": "ready", "subject": subject, "issuer": issuer, "self_signed": subject == issuer,
                "sha256": fingerprint.replace(":", "").lower(), "key_type": "ec-p256"}

    def csr(self, fields):
        """In the mode "extensions" with those of DIR/extensions, one a line, and not what it was asked for."""
        common_name = fields.get("common_name", f"{self.name}.example")
        subject = f"/CN={common_name}" + (f"/O={fields['organization']}" if "organization" in fields else "")
        asked = [words(name) for name in fields.get("alternative_names", "").split(",") if name]
        names = "subjectAltName=" + ",".join(asked) if asked else self.names()
        extensions = [names, "extendedKeyUsage=serverAuth"]
        if self.mode("csr") == "extensions":
            extensions = self.read("extensions").splitlines()
        added = [word for extension in extensions for word in ("-addext", extension)]
        return {"csr": openssl("req", "-new", "-key", str(self.path("key.pem")), "-subj", subject, *added)}

    def apply(self, request):
        """As much of the real checks as the tests need: it is our key."""
        own = openssl("pkey", "-pubout", text=self.read("key.pem"))
        theirs = openssl("x509", "-pubkey", "-noout", text=request["certificate"])
        checks = [{"check": "key", "passed": own == theirs, "expected": "its own key", "found": "as said"}]
        if own != theirs:
            return 400, {"error": {"code": "CERTIFICATE_REFUSED", "message": "another key", "hint": "", "retryable": False,
                                   "checks": checks}}
        if not request["what_if"] and self.mode("apply") != "lie":
            self.put("certificate.pem", request["certificate"])
        note = {"note": "it is for an older key\x1b[2J"} if self.mode("apply") == "note" else {}
        return 200, {"applied": not request["what_if"], "checks": checks} | note

    def self_signed(self, request):
        if request["rekey"]:
            self.new_key()
        self.self_sign()
        return 200, self.status()

    def answer(self, method, route, body):
        if (method, route) == ("GET", "status"):
            return 200, self.status()
        if (method, route) == ("POST", "csr"):
            return 200, self.csr(body)
        if (method, route) == ("POST", "apply"):
            return self.apply(body)
        if (method, route) == ("POST", "self-signed"):
            return self.self_signed(body)
        return 404, {"error": {"code": "NOT_FOUND", "message": route, "hint": "", "retryable": False}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.serve("GET", {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.serve("POST", json.loads(body or "{}"))

    def serve(self, method, body):
        agent = self.server.agent
        route = self.path.removeprefix(ROUTES)
        with agent.path("requests").open("a") as log:
            log.write(f"{method} {self.path} {self.headers.get('Authorization')}\n")
        token = agent.read("token").strip()
        mode = agent.mode(route)
        if token and self.headers.get("Authorization") != f"Api-Token {token}":
            mode = "401"
        if mode in MODES:
            self.misbehave(mode, agent, method, route, body)
        else:
            self.send(*agent.answer(method, route, body))

    def send(self, code, value, headers=()):
        data = json.dumps(value).encode() if not isinstance(value, bytes) else value
        self.send_response(code)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def misbehave(self, mode, agent, method, route, body):
        if mode in ANSWERS:
            self.send(*ANSWERS[mode])
        elif mode == "hang":
            time.sleep(600)
        elif mode == "slow":
            self.drip(json.dumps(agent.answer(method, route, body)[1]).encode())
        elif mode == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"half": ')
        elif mode == "garbage":
            self.send(200, b"<html>not JSON</html>")
        elif mode == "huge":
            self.send(200, b'{"huge": "' + b"x" * (2 * 1024 * 1024) + b'"}')
        elif mode == "redirect":
            self.send(302, {}, [("Location", agent.read("elsewhere").strip())])
        elif mode == "bare-500":
            self.send(500, b"it broke")
        elif mode == "done-then-close":
            agent.answer(method, route, body)
        elif mode == "done-then-hang":
            agent.answer(method, route, body)
            time.sleep(600)
        elif mode in ("done-then-deaf", "rekeyed-then-deaf"):
            if mode == "rekeyed-then-deaf":
                agent.put("key.pem", agent.read("next.pem"))
            agent.put("deaf", "")
            self.send(*agent.answer(method, route, body))
        elif mode == "impostor":
            agent.new_key()
            agent.self_sign()
        elif mode == "shown":
            agent.put("shown.pem", agent.read("stolen.pem"))
        self.close_connection = True

    def drip(self, data):
        """A byte at a time, for longer than anybody waits."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(1)


def show(request, certificate):
    """As far into TLS 1.2 as one comes without the certificate's key."""
    def counted(data, size=3):
        return len(data).to_bytes(size, "big") + data

    renegotiation_info = b"\xff\x01\x00\x01\x00"
    hello = b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2b\x00" + counted(renegotiation_info, 2)
    messages = b"\x02" + counted(hello) + b"\x0b" + counted(counted(counted(certificate)))
    request.recv(16384)
    request.sendall(b"\x16\x03\x03" + counted(messages, 2))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        """The handshake in the connection's own thread, with what is in the files now."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.agent.path("certificate.pem"), self.agent.path("key.pem"))
        request.settimeout(60)
        if self.agent.path("deaf").exists():
            return
        if self.agent.path("shown.pem").exists():
            show(request, ssl.PEM_cert_to_DER_cert(self.agent.read("shown.pem")))
            return
        with context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request, client_address):
        pass


def main():
    folder = pathlib.Path(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    server.agent = Agent(folder)
    server.agent.put("port", str(server.server_address[1]))
    server.serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    main()
