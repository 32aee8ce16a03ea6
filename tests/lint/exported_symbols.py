# SPDX-License-Identifier: Apache-2.0
"""
exported_symbols - what programs see of our libraries, and nothing else: no name of ours meets a program's own

libkeysvc.so exports ks_; the provider and the PKCS#11 module the one name by which they are found.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile

ALLOWED = {
    "client/lib/libkeysvc.so": r"ks_\w+",
    "client/provider/keysvc.so": r"OSSL_provider_init",
    "client/pkcs11/libkeysvc-pkcs11.so": r"C_GetFunctionList|C_GetInterface(List)?",
}


def check(source, build):
    del source
    problems = []
    for library, allowed in ALLOWED.items():
        path = build / library
        names = exported(path) if path.exists() else []
        problems += [f"{library}: exports {name}" for name in names if not re.fullmatch(allowed, name)]
        if not names:
            problems.append(f"{library}: {'exports nothing' if path.exists() else 'was not built'}")
    return problems


def exported(path):
    command = ["nm", "-D", "--defined-only", "--format=posix", str(path)]
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    # Type A: the name of a version in the version script.
    return [row[0].split("@")[0] for row in rows if row[1] != "A"]


def selftest():
    """Each of the libraries with one name too many."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    good = {"client/lib/libkeysvc.so": "ks_good", "client/provider/keysvc.so": "OSSL_provider_init"}
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        build = pathlib.Path(folder)
        for library in ALLOWED:
            (build / library).parent.mkdir(parents=True)
            name = good.get(library, "C_GetFunctionList")
            (build / "x.c").write_text(f"int {name}(void) {{ return 1; }}\nint frame_bad(void) {{ return 2; }}\n")
            subprocess.run([compiler, "-shared", "-fPIC", "-o", build / library, build / "x.c"], check=True)
        return check(None, build) == [f"{library}: exports frame_bad" for library in ALLOWED]
