# SPDX-License-Identifier: Apache-2.0
"""
file_headers - every file begins with its licence, and a C file with one sentence that names its job

A test file of tests/unit and tests/integration has its job in its name. Files of more than 600 lines are warned about:
they are probably two.
"""
import re

import tree

LICENCE = "SPDX-License-Identifier: Apache-2.0"
SUFFIXES = (".c", ".h", ".proto", ".py", ".sh", ".bash", ".bats", "meson.build", "meson_options.txt", "Makefile")
MAX_LINES = 600


def check(source, build):
    del build
    problems = []
    for path in tree.files(source):
        name = path.relative_to(source).as_posix()
        text = beginning(path)
        if not name.endswith(SUFFIXES) and not text.startswith("#!"):
            continue
        lines = text.splitlines()[:4]
        if not any(LICENCE in line for line in lines[:2]):
            problems.append(f"{name}: no licence in its first lines")
        is_test = name.startswith("tests/unit/") or name.startswith("tests/integration/")
        if name.endswith((".c", ".h")) and not is_test and not re.search(r"^ \* [\w.-]+ - \S", "\n".join(lines), re.MULTILINE):
            problems.append(f"{name}: its third line is not ` * NAME - what it is for`")
    return problems


def beginning(path):
    with path.open("rb") as file:
        return file.read(2048).decode(errors="replace")


def warnings(source):
    found = []
    for path in tree.files(source, ".c", ".h", ".py", ".bats", ".bash"):
        n_lines = len(path.read_text(errors="replace").splitlines())
        if n_lines > MAX_LINES:
            found.append(f"{path.relative_to(source)}: {n_lines} lines")
    return found


def selftest():
    good = f"/* {LICENCE} */\n/*\n * a - does it\n */\n"
    with tree.made_up({"a.c": good, "b.c": "int x;\n", "c.c": f"/* {LICENCE} */\nint x;\n", "run": "#!/bin/sh\n"}) as top:
        problems = check(top, None)
    with tree.made_up({"long.c": good + "\n" * MAX_LINES}) as top:
        warned = warnings(top)
    return [problem.split(":")[0] for problem in problems] == ["b.c", "b.c", "c.c", "run"] and len(warned) == 1
