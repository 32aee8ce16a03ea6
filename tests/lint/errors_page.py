# SPDX-License-Identifier: Apache-2.0
"""errors_page - docs/errors.md is what the tables of the code say, and so are the exit codes of keysvc(1)"""
import difflib
import re
import subprocess

import tree

PROGRAM = "tests/lint/errors-page"
PAGE = "docs/errors.md"
MAN_PAGE = "docs/keysvc.1.scd"
ROW = re.compile(r"^\| ([0-9]+) \| ([A-Z_]+) \| ([^|]+) \| (?:yes|no|) \|$", re.MULTILINE)


def check(source, build):
    program = build / PROGRAM
    if not program.exists():
        return [f"{PROGRAM}: was not built"]
    printed = subprocess.run([program], stdout=subprocess.PIPE, check=False, text=True)
    if printed.returncode != 0:
        return [f"{PROGRAM}: exit code {printed.returncode}"]
    return compare(source, printed.stdout)


def compare(source, wanted):
    page = source / PAGE
    found = page.read_text() if page.exists() else ""
    problems = [
        f"{PAGE}: {line}"
        for line in difflib.unified_diff(found.splitlines(), wanted.splitlines(), "as it is", "as printed", n=0, lineterm="")
    ]
    if problems:
        problems.append(f"{PAGE}: `ninja errors-page` writes it")
    return problems + exit_codes(source, wanted)


def exit_codes(source, wanted):
    """The table under EXIT STATUS has the same rows in the same order, and no other."""
    rows = ROW.findall(wanted)
    text = (source / MAN_PAGE).read_text().split("# EXIT STATUS", 1)[-1].split("\n# ", 1)[0]
    found = re.findall(r"^\|  ([0-9]+)\n:  ([A-Z_]+)\n:  (.+)$", text, re.MULTILINE)
    problems = [f"{MAN_PAGE}: no row for {' '.join(row)}" for row in rows if row not in found]
    problems += [f"{MAN_PAGE}: a row that no table has: {' '.join(row)}" for row in found if row not in rows]
    if not rows:
        problems.append("no exit code was printed")
    if not problems and rows != found:
        problems.append(f"{MAN_PAGE}: the exit codes are not in their order")
    return problems


def selftest():
    wanted = "| 0 | OK | done |  |\n| 1 | INTERNAL | an internal error | no |\n"
    rows = "# EXIT STATUS\n|  0\n:  OK\n:  done\n|  1\n:  INTERNAL\n:  an internal error\n"
    with tree.made_up({PAGE: wanted, MAN_PAGE: rows}) as top:
        right = compare(top, wanted)
    with tree.made_up({PAGE: wanted + "more\n", MAN_PAGE: rows}) as top:
        other_page = compare(top, wanted)
    with tree.made_up({PAGE: wanted, MAN_PAGE: rows.replace("|  1", "|  2")}) as top:
        other_code = compare(top, wanted)
    with tree.made_up({PAGE: wanted, MAN_PAGE: rows + "|  9\n:  GONE\n:  gone\n"}) as top:
        gone = compare(top, wanted)
    return not right and other_page and len(other_code) == 2 and len(gone) == 1
