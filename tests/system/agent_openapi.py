#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
agent_openapi - holds docs/openapi.yaml against a running agent and its table of routes

    agent_openapi.py DOCUMENT REST.C PORT MANAGER-TOKEN READER-TOKEN FILES SIGN STOP

Every path and method of the document is asked in each way below. A status, a type of content or a shape that is not
declared fails, and so does a declared status that was not seen, a route that is not in the document, or a method that
is not and is answered. FILES has one.p12 and two.p12 (password "secret") and ca.crt; the program SIGN makes FILES/agent.crt
of FILES/agent.req, STOP stops keysvcd: what is asked then goes over the connection that is open.
"""
import http.client
import json
import pathlib
import re
import ssl
import subprocess
import sys

import yaml

METHODS = ("get", "post", "put", "delete")
E = "/e/{environment}/api/v1/certificate"
I = "/api/v1/identity/{identity}"
SECRET = {"X-Password": "secret"}


class Agent:
    def __init__(self, document, port, manager, reader):
        self.document = document
        self.tokens = {"manager": manager, "reader": reader}
        self.seen = set()
        self.wrong = []
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=120)

    def send(self, method, path, who, headers, body):
        headers = dict(headers)
        if who:
            headers["Authorization"] = "Api-Token " + self.tokens[who]
        self.connection.request(method.upper(), path, body=body, headers=headers)
        response = self.connection.getresponse()
        return response, response.read()

    def ask(self, method, path, expected, who="manager", headers=(), body=None, name="one", identity="agent"):
        """One request; what came is held against the document."""
        if isinstance(body, dict):
            body = json.dumps(body)
        real = path.format(environment="default", name=name, identity=identity)
        response, data = self.send(method, real, who, headers or {}, body)
        what = f"{method} {real}: {response.status}"
        self.seen.add((path, method, str(response.status)))
        declared = self.document["paths"][path][method]["responses"].get(str(response.status))
        if response.status != expected:
            self.wrong.append(f"{what} instead of {expected}: {data[:300]!r}")
        if declared is None:
            self.wrong.append(f"{what} is not in the document")
            return None
        return self.check_content(what, resolve(self.document, declared), response, data)

    def check_content(self, what, declared, response, data):
        kind = (response.getheader("Content-Type") or "").split(";")[0]
        contents = declared.get("content", {})
        if not contents and not data:
            return None
        if kind not in contents:
            self.wrong.append(f"{what}: {kind or 'no type'} is not among {list(contents)}")
            return None
        if kind != "application/json":
            return data
        value = json.loads(data)
        for mistake in mismatches(self.document, contents[kind]["schema"], value, "body"):
            self.wrong.append(f"{what}: {mistake}")
        return value


def resolve(document, node):
    while "$ref" in node:
        at = document
        for word in node["$ref"].lstrip("#/").split("/"):
            at = at[word]
        node = at
    return node


def mismatches(document, schema, value, where):
    """The part of JSON Schema that the document uses."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    schema = resolve(document, schema)
    if not isinstance(value, types[schema["type"]]):
        return [f"{where} is no {schema['type']}"]
    found = []
    if schema["type"] == "array":
        for index, item in enumerate(value):
            found += mismatches(document, schema["items"], item, f"{where}[{index}]")
    if schema["type"] == "object":
        found += [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
        for name, part in schema.get("properties", {}).items():
            if name in value:
                found += mismatches(document, part, value[name], f"{where}.{name}")
    return found


def compare_routes(document, source):
    """The table in rest.c has the same rows."""
    bases = {"E": E, "I": I}
    rows = re.findall(r'\{WEB_(\w+),\s*([EI]) "([^"]*)"', pathlib.Path(source).read_text())
    served = {(bases[base] + rest, method.lower()) for method, base, rest in rows}
    written = {(path, method) for path, item in document["paths"].items() for method in item if method in METHODS}
    return [f"only in rest.c: {row}" for row in sorted(served - written)] + [
        f"only in the document: {row}" for row in sorted(written - served)
    ]


def ask_strangers(agent):
    """401 of everything, 403 of what a reader may not, 405 of the methods that are not there."""
    for path, item in agent.document["paths"].items():
        for method in METHODS:
            if method in item:
                agent.ask(method, path, 401, who=None)
                if "403" in item[method]["responses"]:
                    agent.ask(method, path, 403, who="reader")
                continue
            real = path.format(environment="default", name="one", identity="agent")
            response, _ = agent.send(method, real, "manager", {}, None)
            if response.status != 405 and not (path.endswith("/list") and method in ("put", "delete")):
                agent.wrong.append(f"{method} {real}: {response.status} instead of 405")


def ask_uploads(agent, files):
    one, two = ((files / name).read_bytes() for name in ("one.p12", "two.p12"))
    agent.ask("put", E + "/{name}", 400, headers=SECRET, body=b"no file")
    agent.ask("put", E + "/{name}", 413, headers=SECRET, body=bytes(262145))
    agent.ask("put", E + "/{name}", 200, headers=SECRET, body=one)
    agent.ask("put", E + "/{name}", 200, headers=SECRET, body=two, name="two")
    agent.ask("put", E + "/{name}", 403, headers=SECRET, body=two, name="two")
    agent.ask("get", E + "/list", 200)
    agent.ask("get", E + "/list", 200, who="reader")
    for method in ("get", "post"):
        agent.ask(method, E + "/{name}/list", 200, headers=SECRET)
        agent.ask(method, E + "/{name}/list", 200, body={"password": "secret"}, who="reader")
        agent.ask(method, E + "/{name}/list", 400, headers={"X-Password": "wrong"})
        agent.ask(method, E + "/{name}/list", 404, headers=SECRET, name="none")
    agent.ask("post", E + "/{name}/activate", 400, body={"password": "wrong"})
    agent.ask("post", E + "/{name}/activate", 404, headers=SECRET, name="none")
    agent.ask("post", E + "/{name}/activate", 200, headers=SECRET)
    agent.ask("delete", E + "/{name}", 403)
    agent.ask("delete", E + "/{name}", 404, name="none")
    agent.ask("delete", E + "/{name}", 200, name="two")
    agent.ask("put", E + "/{name}", 200, headers=SECRET, body=two, name="two")


def ask_identities(agent, files, sign):
    for verb, method in (("status", "get"), ("certificate", "get"), ("csr", "post"), ("self-signed", "post"),
                         ("rollback", "post")):
        agent.ask(method, f"{I}/{verb}", 404, identity="nobody")
        if method == "post":
            agent.ask(method, f"{I}/{verb}", 400, body=b"{", headers={"Content-Type": "application/json"})
    agent.ask("get", I + "/status", 200, who="reader")
    agent.ask("get", I + "/certificate", 200, who="reader")
    agent.ask("post", I + "/self-signed", 200)
    request = agent.ask("post", I + "/csr", 200)
    (files / "agent.req").write_text(request["csr"])
    subprocess.run(sign, check=True)
    body = {"certificate": (files / "agent.crt").read_text(), "ca": (files / "ca.crt").read_text()}
    agent.ask("post", I + "/apply", 404, body=body, identity="nobody")
    agent.ask("post", I + "/apply", 400, body={"certificate": body["ca"], "ca": body["ca"]})
    agent.ask("post", I + "/apply", 200, body={**body, "what_if": True})
    agent.ask("post", I + "/apply", 200, body=body)
    agent.ask("post", I + "/rollback", 200, body={})


def ask_without_service(agent, files):
    """503; by now one is not active, and two is not there under this name."""
    agent.ask("put", E + "/{name}", 503, headers=SECRET, body=(files / "one.p12").read_bytes(), name="new")
    agent.ask("post", E + "/{name}/activate", 503, headers=SECRET)
    agent.ask("delete", E + "/{name}", 503)
    agent.ask("post", I + "/csr", 503)
    agent.ask("post", I + "/self-signed", 503, body={"rekey": True})
    agent.ask("post", I + "/rollback", 503)


def main(document, source, port, manager, reader, files, sign, stop):
    document = yaml.safe_load(pathlib.Path(document).read_text())
    files = pathlib.Path(files)
    agent = Agent(document, int(port), manager, reader)
    agent.wrong += compare_routes(document, source)
    ask_strangers(agent)
    ask_uploads(agent, files)
    ask_identities(agent, files, [sign])
    subprocess.run([stop], check=True)
    ask_without_service(agent, files)
    for path, item in document["paths"].items():
        for method in METHODS:
            for status in item.get(method, {}).get("responses", {}):
                if (path, method, status) not in agent.seen:
                    agent.wrong.append(f"{method} {path}: {status} is in the document and did not come")
    for mistake in agent.wrong:
        print(mistake)
    print(f"{len(agent.seen)} answers of {len(document['paths'])} paths")
    return 1 if agent.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
