# SPDX-License-Identifier: Apache-2.0
"""
link_lines - what each executable needs at run time, read back from the binary

A process that links nothing it does not need cannot be talked into using it: the supervisor has no protobuf, the front
no PKCS#11, the token process no event loop.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile

ALLOWED = {
    "keysvc/keysvcd": {"libevent_core", "libconfuse", "libsystemd", "libcrypto", "libseccomp", "libc"},
    "keysvc/keysvc-front": {"libevent_core", "libprotobuf-c", "libcrypto", "libseccomp", "libc"},
    "keysvc/keysvc-token": {"libcrypto", "libp11", "libp11-kit", "libseccomp", "libc"},
    "client/cli/keysvc": {"libkeysvc", "libjansson", "libcrypto", "libc"},
    "client/agent/keysvc-agent": {
        "libprotobuf-c",
        "libcrypto",
        "libssl",
        "libjansson",
        "libsqlite3",
        "libconfuse",
        "libcurl",
        "libevent_core",
        "libsystemd",
        "libc",
    },
    "client/lib/libkeysvc.so": {"libprotobuf-c", "libcrypto", "libc"},
    "client/provider/keysvc.so": {"libprotobuf-c", "libcrypto", "libc"},
    "client/pkcs11/libkeysvc-pkcs11.so": {"libprotobuf-c", "libcrypto", "libc"},
}


def check(source, build):
    del source
    problems = []
    for name, allowed in ALLOWED.items():
        path = build / name
        if not path.exists():
            problems.append(f"{name}: was not built")
            continue
        problems += [f"{name}: links {library}" for library in needed(path) if library not in allowed]
        if not is_hardened(path):
            problems.append(f"{name}: not a position-independent file with all its relocations read-only")
    return problems


def dynamic(path):
    command = ["readelf", "-dW", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def needed(path):
    """libevent_core-2.1.so.7 is libevent_core; the loader does not count."""
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic(path))
    stems = [re.sub(r"(-[0-9][0-9.]*)?\.so(\.[0-9.]+)?$", "", name) for name in names]
    return [stem for stem in stems if not stem.startswith("ld-linux")]


def is_hardened(path):
    text = dynamic(path)
    command = ["readelf", "-lhW", str(path)]
    headers = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return "NOW" in text and "GNU_RELRO" in headers and "DYN (" in headers


def selftest():
    """A program with one library too many, and not position-independent either."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        build = pathlib.Path(folder)
        (build / "keysvc").mkdir()
        (build / "x.c").write_text("#include <math.h>\nint main(int n, char **v) { (void)v; return (int)cos(n); }\n")
        output = build / "keysvc" / "keysvcd"
        subprocess.run([compiler, "-no-pie", "-o", output, build / "x.c", "-Wl,--no-as-needed", "-lm"], check=True)
        problems = check(None, build)
    expected = ["keysvc/keysvcd: links libm", "keysvc/keysvcd: not a position"]
    return all(any(problem.startswith(text) for problem in problems) for text in expected)
