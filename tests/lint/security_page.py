# SPDX-License-Identifier: Apache-2.0
"""
security_page - docs/security.md cites tests that exist

A citation is a file below tests/ in backticks, and behind it the names of tests in quotes: `system/owned.bats` "an owned
front ...", `unit/token/test_sign.c` "refuses_a_key_that_is_not_the_one_meant".
"""
import pathlib
import re
import tempfile

PAGE = "docs/security.md"
FOLDERS = "fakes|fuzz|integration|lint|programs|system|tokens|unit"
CITATION = re.compile(rf'`((?:{FOLDERS})/[\w./-]+)`((?:,? "[^"]+")*)')
FEWEST = 50  # citations; fewer: the page has lost its form, or this check has


def check(source, build):
    del build
    return problems_of(source, FEWEST)


def problems_of(source, fewest):
    problems, n_names = [], 0
    for path, names in CITATION.findall((source / PAGE).read_text()):
        cited = source / "tests" / path
        if not cited.exists():
            problems.append(f"{PAGE}: there is no tests/{path}")
            continue
        there = tests_of(cited)
        for name in re.findall(r'"([^"]+)"', names):
            n_names += 1
            if name not in there:
                problems.append(f'{PAGE}: tests/{path} has no test "{name}"')
    if n_names < fewest:
        problems.append(f"{PAGE}: it cites {n_names} tests, not {fewest} at least")
    return problems


def tests_of(path):
    text = path.read_text()
    bats = re.findall(r'^@test "(.*)" \{$', text, re.MULTILINE)
    criterion = re.findall(r"^Test\(\w+,\s*(\w+)", text, re.MULTILINE)
    return {*bats, *criterion}


def selftest():
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        source = pathlib.Path(folder)
        (source / "docs").mkdir()
        (source / "tests/system").mkdir(parents=True)
        (source / "tests/system/a.bats").write_text('@test "is there" {\n}\n')
        page = source / PAGE
        page.write_text('`system/a.bats` "is there"')
        good = problems_of(source, 1)
        page.write_text('`system/a.bats` "is there", "is not there"; `unit/none.c` "x"')
        bad = problems_of(source, 1)
        few = problems_of(source, 3)
    return not good and len(bad) == 2 and len(few) == 3
