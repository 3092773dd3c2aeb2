#!/usr/bin/env python3
"""Runs one guest program under ferry and compares what it prints and how it exits.

run_program.py [--expect FILE | --compare-qemu TREE] [--status N] [--stderr REGEX] [--input FILE] -- FERRY... -- PROGRAM [ARGS...]
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

NOT_HERE = 77  # what with_binfmt exits with


def parse(arguments):
    first = arguments.index("--")
    last = arguments.index("--", first + 1)
    options = argparse.ArgumentParser()
    options.add_argument("--expect")
    options.add_argument("--compare-qemu")
    options.add_argument("--status", type=int, default=0)
    options.add_argument("--stderr", default="")
    options.add_argument("--input", default="/dev/null")
    return options.parse_args(arguments[:first]), arguments[first + 1:last], arguments[last + 1:]


def run(command, options):
    # Every run has a directory of its own to write in.
    with tempfile.TemporaryDirectory(prefix="ferry-program-") as directory, open(options.input, "rb") as stdin:
        return subprocess.run(command, stdin=stdin, capture_output=True, cwd=directory)


def show_difference(expected, found):
    lines = difflib.unified_diff(expected.decode(errors="replace").splitlines(), found.decode(errors="replace").splitlines(),
                                 "expected", "found", lineterm="")
    print("\n".join(list(lines)[:60]))


def main():
    options, ferry, program = parse(sys.argv[1:])
    result = run(ferry + program, options)
    if any("qemu-aarch64" in part for part in ferry):
        # The emulator of an AArch64 host tells of programs that end by a signal.
        result.stderr = re.sub(rb"qemu: uncaught target signal [^\n]*\n", b"", result.stderr)
    failures = []
    expected = None
    if options.expect:
        expected = open(options.expect, "rb").read()
    elif options.compare_qemu:
        qemu = run(["qemu-aarch64-static", "-L", options.compare_qemu] + program, options)
        if qemu.returncode != options.status:
            failures.append(f"qemu-aarch64 exits with {qemu.returncode}: the program itself is wrong")
        expected = qemu.stdout
    if expected is not None and result.stdout != expected:
        failures.append("standard output differs")
        show_difference(expected, result.stdout)
    if expected is None and result.stdout:
        sys.stdout.write(result.stdout.decode(errors="replace"))
    if result.returncode != options.status:
        failures.append(f"exit status {result.returncode} instead of {options.status}")
    if not re.fullmatch(options.stderr, result.stderr.decode(errors="replace"), re.DOTALL):
        failures.append("unexpected standard error")
    if result.returncode == NOT_HERE:
        return NOT_HERE
    if failures:
        print("; ".join(failures))
        print("command:", " ".join(ferry + program))
        print("standard error:", result.stderr.decode(errors="replace")[-4000:])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
