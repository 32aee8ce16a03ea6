# SPDX-License-Identifier: Apache-2.0
"""
runner - tests/run fails for what criterion and bats would let pass

Each row is an executable that a careless runner counts as good: a suite in which nothing ran, a plan that was not
fulfilled, a leak (criterion says rc 0), undefined behaviour. And what failed is named with its first assertion, without what
the service had logged.
"""
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import tempfile
import types

LEAK = """
#include <criterion/criterion.h>
#include <limits.h>
static void *volatile kept;
Test(s, leaks) { kept = malloc(10); kept = NULL; }
Test(s, is_fine) { }
"""
UNDEFINED = """
#include <criterion/criterion.h>
#include <limits.h>
static volatile int big = INT_MAX;
Test(s, overflows) { big = big + 1; }
"""
SHELL = {
    "nothing runs": ("echo 1..0", "failed"),
    "nothing is printed": ("true", "failed"),
    "the plan is not fulfilled": ("echo 1..3; echo 'ok 1 - a'", "failed"),
    "the exit code alone": ("echo 1..1; echo 'ok 1 - a'; exit 3", "failed"),
    "a failure": ("echo 1..1; echo 'not ok 1 - a'; exit 1", "failed"),
    "a skip is no pass": ("echo 1..1; echo 'ok 1 - a # skip no reason'", "skipped"),
    "a pass": ("echo 1..1; echo 'ok 1 - a'", "passed"),
}
CRITERION = """not ok - s::t  (0.01s)
  ---
  assertions: 2
  failures:
  - ../tests/unit/a.c:20: |+
      Assertion failed: second
  - ../tests/unit/a.c:10: |+
      Assertion failed: first
  ...
ok - s::u  (0.00s)
"""
BATS = """1..2
not ok 1 100 restarts
# (from function `wait_for' in file tests/system/harness.bash, line 238,
#  in test file tests/system/pin.bats, line 147)
#   `wait_ready' failed
# <6>keysvcd: event=ready
ok 2 other
"""
NAMED = {
    CRITERION: "s::t: ../tests/unit/a.c:10: Assertion failed: first",
    BATS: "100 restarts: pin.bats line 147: `wait_ready' failed",
}
WHERE = """
setup()
{
    load "%s"
}
@test "in a subshell" {
    true
    (exit 3)
}
@test "by itself" {
    echo why
    return 1
}
"""
WHERE_NAMED = ["in a subshell: where.bats line 8: `(exit 3)' failed with status 3", "by itself: why"]


def check(source, build):
    del build
    run = load(source / "tests" / "run")
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        return experiments(run, pathlib.Path(folder)) + where(run, source, pathlib.Path(folder))


def experiments(run, folder):
    problems = []
    for name, (script, expected) in SHELL.items():
        suite = run.run_suite(run.Suite(name, ["sh", "-c", script]), folder)
        counts = {what: getattr(suite, what) for what in ("passed", "failed", "skipped")}
        if not counts[expected] or (expected != "failed" and counts["failed"]):
            problems.append(f"{name}: {counts}")

    for text, expected in NAMED.items():
        (folder / "tap").write_text(text)
        problems += [f"a failure is named {found}" for found in
                     [run.run_suite(run.Suite("named", ["cat", str(folder / "tap")]), folder).problems] if found != [expected]]

    reports = folder / "reports"
    reports.mkdir()
    env = {"ASAN_OPTIONS": f"log_path={reports}/asan:detect_leaks=1"}
    run.run_suite(run.Suite("leak", [compiled(folder, "leak", LEAK)], env, criterion=True), folder)
    if not list(reports.iterdir()):
        problems.append("a leak leaves no report")
    undefined = run.run_suite(run.Suite("undefined", [compiled(folder, "undefined", UNDEFINED)], env, criterion=True), folder)
    if not undefined.failed:
        problems.append("undefined behaviour fails no test")
    return problems


def where(run, source, folder):
    """bats is asked where a test failed in our way, which its next version may not know."""
    (folder / "where.bats").write_text(WHERE % (source / "tests" / "system" / "where_failed.bash"))
    found = run.run_suite(run.Suite("where", ["bats", "--formatter", "tap", str(folder / "where.bats")]), folder).problems
    return [f"bats' failures are named {found}"] if found != WHERE_NAMED else []


def load(path):
    """tests/run has no suffix: it is a program."""
    loader = importlib.machinery.SourceFileLoader("tests_run", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tests_run", loader))
    loader.exec_module(module)
    return module


def compiled(folder, name, text):
    (folder / f"{name}.c").write_text(text)
    command = ["cc", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", name, f"{name}.c", "-lcriterion"]
    subprocess.run(command, cwd=folder, check=True)
    return str(folder / name)


def selftest():
    """A runner that believes everybody is found out."""

    def believe(suite, logs):
        del logs
        suite.passed = 1
        return suite

    believer = types.SimpleNamespace(run_suite=believe, Suite=lambda name, *_, **__: types.SimpleNamespace(
        name=name, passed=0, failed=0, skipped=0, problems=[]))
    with tempfile.TemporaryDirectory(prefix="keysvc-lint-") as folder:
        problems = experiments(believer, pathlib.Path(folder))
    return len(problems) == len(SHELL) - 1 + len(NAMED) + 2
