# SPDX-License-Identifier: Apache-2.0
"""exported_symbols - libkeysvc.so exports ks_ and nothing else: no name of ours meets a program's own"""
import pathlib
import shutil
import subprocess
import tempfile

LIBRARY = "client/lib/libkeysvc.so"


def check(source, build):
    del source
    path = build / LIBRARY
    if not path.exists():
        return [f"{LIBRARY}: was not built"]
    names = exported(path)
    problems = [f"{LIBRARY}: exports {name}" for name in names if not name.startswith("ks_")]
    return problems if names else [f"{LIBRARY}: exports nothing"]


def exported(path):
    command = ["nm", "-D", "--defined-only", "--format=posix", str(path)]
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    # Type A: the name of a version in the version script.
    return [row[0].split("@")[0] for row in rows if row[1] != "A"]


def selftest():
    compiler = shutil.which("cc") or shutil.which("gcc")
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        build = pathlib.Path(folder)
        (build / "client/lib").mkdir(parents=True)
        (build / "x.c").write_text("int ks_good(void) { return 1; }\nint frame_bad(void) { return 2; }\n")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", build / LIBRARY, build / "x.c"], check=True)
        return check(None, build) == [f"{LIBRARY}: exports frame_bad"]
