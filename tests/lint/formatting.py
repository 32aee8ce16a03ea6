# SPDX-License-Identifier: Apache-2.0
"""formatting - clang-format, with the .clang-format of the tree, would change nothing"""
import pathlib
import re
import shutil
import subprocess

import tree

TOOL = shutil.which("clang-format-14") or shutil.which("clang-format")
CONFIGURATION = pathlib.Path(__file__).resolve().parents[2] / ".clang-format"


def check(source, build):
    del build
    paths = tree.files(source, ".c", ".h")
    if not TOOL:
        return ["clang-format-14 is not installed"]
    command = [TOOL, "--dry-run", "-Werror", f"--style=file:{CONFIGURATION}"] + [str(path) for path in paths]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if re.match(r"[^ ]+:\d+:\d+: error: ", line)]
    seen = {}
    for line in lines:
        seen.setdefault(line.split(":")[0], line.removeprefix(f"{source}/"))
    return list(seen.values()) or ([] if result.returncode == 0 else [result.stderr.strip()])


def selftest():
    with tree.made_up({"a.c": "int  x;\n", "b.c": "int x;\n"}) as top:
        problems = check(top, None)
    return len(problems) == 1 and problems[0].startswith("a.c:1")
