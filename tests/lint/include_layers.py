# SPDX-License-Identifier: Apache-2.0
"""
include_layers - who may include whom

    cli, provider,
    pkcs11              ->  the public header of client/lib          ->  base
    agent               ->  client/web, provider's built-in form,
                            conf                                     ->  base
      command           ->  identity, serve's run.h, console
      serve             ->  identity, upload, client/web
      identity, upload  ->  certificate, store
      console           ->  certificate
      store             ->  headers that say what it keeps
    client/web          ->                                               base
    client/lib          ->  proto/wire                               ->  base
    front               ->  ipc, sandbox, proto/wire                 ->  base
    supervisor          ->  conf, ipc, sandbox                       ->  base
    token               ->  ipc, sandbox                             ->  base

Siblings never include each other. The generated protobuf header is for the edges only, front/decode.c, front/encode.c
and the library's convert files: past them there are our own structs.
"""
import re

import tree

# what all parts of the agent share: configuration, service, state folder, report
AGENT = [f"client/agent/{name}.h" for name in ("agent", "api_token", "folder", "report")]
# folder: the beginnings of what its files may include besides their own folder
ARROWS = {
    "keysvc/base": [],
    "keysvc/conf": ["base/"],
    "keysvc/ipc": ["base/"],
    "keysvc/sandbox": ["base/"],
    "proto/wire": ["base/"],
    "keysvc/front": ["ipc/", "sandbox/", "proto/wire/", "base/", "build-config.h"],
    "keysvc/supervisor": ["conf/", "ipc/", "sandbox/", "base/", "build-config.h"],
    "keysvc/token": ["ipc/", "sandbox/", "base/", "build-config.h"],
    "client/lib": ["proto/wire/", "base/", "build-config.h"],
    "client/cli": ["client/lib/keysvc.h", "base/", "build-config.h"],
    "client/provider": ["client/lib/keysvc.h", "base/", "build-config.h"],
    "client/pkcs11": ["client/lib/keysvc.h", "base/", "build-config.h"],
    "client/web": ["base/"],
    # Below client/agent a folder is no process, but a power: only store knows SQLite, only serve reads what strangers
    # send, certificate knows nothing of the state and judges bytes.
    "client/agent": [
        "client/lib/keysvc.h",
        "conf/",
        "base/",
        "build-config.h",
    ],
    "client/agent/certificate": ["client/agent/report.h", "client/lib/keysvc.h", "base/"],
    "client/agent/command": AGENT
    + ["client/agent/identity/", "client/agent/store/", "client/agent/serve/run.h", "client/agent/console/console.h"]
    + ["client/agent/doctor/doctor.h", "base/", "build-config.h"],
    # The console works on other hosts' agents and uses nothing of this one's state.
    "client/agent/console": ["client/agent/report.h", "client/agent/tame.h", "client/agent/certificate/", "client/provider/builtin.h"]
    + ["base/", "build-config.h"],
    "client/agent/doctor": AGENT + ["client/agent/certificate/clientca.h", "client/agent/identity/", "base/"],
    "client/agent/identity": AGENT + ["client/agent/certificate/", "client/agent/store/", "base/"],
    # The agent serves with a key that it does not have, as any program: keysvc.so, linked in.
    "client/agent/serve": AGENT
    + ["client/agent/certificate/clientca.h", "client/agent/identity/", "client/agent/upload/upload.h"]
    + ["client/web/", "client/provider/builtin.h", "base/"],
    "client/agent/store": [
        "client/agent/api_token.h",
        "client/agent/certificate/chain.h",
        "client/agent/identity/identity.h",
        "client/agent/upload/verifier.h",
        "base/",
    ],
    "client/agent/upload": AGENT + ["client/agent/certificate/", "client/agent/store/", "base/"],
}
GENERATED = "proto/keysvc.pb-c.h"
CONVERT_WIRE = "client/lib/convert_wire.h"  # what the convert files share
ENCODE_WIRE = "front/encode_wire.h"  # what the encode files share
MAY_INCLUDE_GENERATED = {"keysvc/front/decode.c", "keysvc/" + ENCODE_WIRE, CONVERT_WIRE}
CONVERT = re.compile(r"client/lib/convert(_\w+)?\.c$")
ENCODE = re.compile(r"keysvc/front/encode(_\w+)?\.c$")


def check(source, build):
    del build
    problems = []
    for path in tree.files(source, ".c", ".h"):
        name = path.relative_to(source).as_posix()
        if not name.startswith("tests/"):
            problems += check_file(name, path.read_text())
    return problems


def check_file(name, text):
    folder = name.rsplit("/", 1)[0] if "/" in name else ""
    if folder not in ARROWS:
        return [f"{name}: its folder is not in the table of layers"]
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if found and not allowed(name, folder, found.group(1)):
            problems.append(f'{name}:{number}: may not include "{found.group(1)}"')
    return problems


def allowed(name, folder, included):
    if included == GENERATED:
        return name in MAY_INCLUDE_GENERATED
    if included == CONVERT_WIRE:
        return CONVERT.match(name) is not None
    if included == ENCODE_WIRE:
        return ENCODE.match(name) is not None
    if ".." in included.split("/"):
        return False
    own = folder.removeprefix("keysvc/") + "/"
    return any(included.startswith(arrow) for arrow in [own] + ARROWS[folder])


def selftest():
    bad = {
        "keysvc/front/a.c": '#include "token/sign.h"\n',  # a sibling
        "keysvc/base/b.c": '#include "ipc/job.h"\n',  # upwards
        "keysvc/front/c.c": '#include "proto/keysvc.pb-c.h"\n',  # generated, elsewhere
        "client/cli/d.c": '#include "client/lib/call.h"\n',  # past the public header
        "keysvc/token/e.c": '#include "sign.h"\n',  # the folder is not spelled
        "client/lib/convert.h": '#include "client/lib/convert_wire.h"\n',  # generated, by way of another header
        "client/lib/g.c": '#include "client/lib/convert_wire.h"\n',
        "keysvc/front/h.c": '#include "front/encode_wire.h"\n',
        "client/agent/console/i.c": '#include "client/agent/store/store.h"\n',  # a power it has not
        "keysvc/front/encode.h": '#include "front/encode_wire.h"\n',
        "other/f.c": "",  # a folder nobody knows
    }
    good = {
        "keysvc/front/decode.c": '#include "proto/keysvc.pb-c.h"\n#include "ipc/job.h"\n',
        "keysvc/front/encode_wire.h": '#include "proto/keysvc.pb-c.h"\n#include "front/reply.h"\n',
        "keysvc/front/encode_metrics.c": '#include "front/encode_wire.h"\n',
        "client/lib/convert_wire.h": '#include "proto/keysvc.pb-c.h"\n#include "client/lib/convert.h"\n',
        "client/lib/convert_key.c": '#include "client/lib/convert_wire.h"\n#include "base/err.h"\n',
        "client/cli/sign.c": '#include "client/lib/keysvc.h"\n#include "base/err.h"\n',
    }
    with tree.made_up(bad) as top:
        found = check(top, None)
    with tree.made_up(good) as top:
        return len(found) == len(bad) and not check(top, None)
