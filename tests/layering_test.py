#!/usr/bin/env python3
"""The layering test: scans every #include of the tree and fails on an arrow that architecture does not allow.

layering_test.py TREE        checks a tree
layering_test.py --self-test builds small trees, good and bad, and checks that each is judged rightly
"""
import pathlib
import re
import sys
import tempfile

# What each folder's files may include besides their own folder's. Tests and main.cpp stand above everything.
ALLOWED = {
    "guest": set(),
    "loader": {"guest"},
    "sysroots": {"guest"},
    "translator": {"guest"},
    "binfmt": {"guest"},
    "syscalls": {"guest", "loader", "sysroots", "translator"},
    "command": {"guest", "loader", "sysroots", "translator", "syscalls", "binfmt"},
}
# Two instruction sets share nothing but what stands above or below both.
ISAS = {"aarch64", "x86_64"}
SOURCES = {".h", ".hpp", ".c", ".cpp", ".def", ".inc", ".S"}
INCLUDE = re.compile(r'^\s*#\s*include(?:_next)?\s*(["<])([^">]+)[">]')


def isa_of(path):
    """The ISA whose folder, directly under one of the project's folders, the path lies in."""
    parts = path.parts
    return parts[1] if len(parts) > 2 and parts[1] in ISAS else None


def judge(tree, source, quote, included):
    """What is wrong with one include, or None."""
    target = pathlib.PurePosixPath(included)
    if ".." in target.parts:
        return "leads upwards; write it from the project's top"
    folder = source.parts[0]
    known = target.parts[0] in ALLOWED or target.parts[0] == "tests" or included == "main.cpp"
    if not known or len(target.parts) < 2 and included != "main.cpp":
        beside = (tree / source.parent / included).exists()
        return "is the project's own; write it from the project's top" if quote == '"' and beside and len(source.parts) > 1 else None
    if folder in ALLOWED and target.parts[0] != folder and target.parts[0] not in ALLOWED[folder]:
        return f"is an arrow {folder} -> {target.parts[0]} that the layering does not have"
    if folder in ALLOWED and isa_of(source) and isa_of(target) and isa_of(source) != isa_of(target):
        return f"crosses from {isa_of(source)} to {isa_of(target)}"
    return None


def check(tree):
    tree = pathlib.Path(tree)
    problems = []
    scanned = 0
    for folder in [*ALLOWED, "tests"]:
        for path in sorted((tree / folder).rglob("*")):
            if path.suffix not in SOURCES or not path.is_file():
                continue
            source = pathlib.PurePosixPath(path.relative_to(tree).as_posix())
            if source.parts[:2] == ("tests", "programs"):
                continue  # guest programs include nothing of ferry's
            scanned += 1
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if match := INCLUDE.match(line):
                    if problem := judge(tree, source, *match.groups()):
                        problems.append(f"{source}:{number}: #include {match.group(1)}{match.group(2)} {problem}")
    return scanned, problems


def self_test():
    """(file, text, is it allowed) — each in a tree of its own with the headers that it names."""
    cases = [
        ("loader/elf.cpp", '#include "guest/types.h"', True),
        ("syscalls/open.cpp", '#include "sysroots/resolve.h"', True),
        ("syscalls/thread.cpp", '#include <translator/translator.h>', True),
        ("translator/decode.cpp", '#include "translator/aarch64/decode.h"\n#include "translator/x86_64/decode.h"', True),
        ("translator/aarch64/decode.cpp", '#include "translator/baseline/block.h"\n#include <vector>\n#include "generated.inc"', True),
        ("main.cpp", '#include "syscalls/thread.h"\n#include "binfmt/registration.h"', True),
        ("tests/loader/elf_test.cpp", '#include "loader/elf.h"\n#include "syscalls/thread.h"', True),
        ("command/run.cpp", '#include "syscalls/thread.h"', True),
        ("syscalls/thread.cpp", '#include "command/options.h"', False),
        ("guest/memory.h", '#include "loader/elf.h"', False),
        ("guest/memory.h", '  #  include <translator/translator.h>', False),
        ("loader/elf.cpp", '#include "sysroots/resolve.h"', False),
        ("sysroots/resolve.cpp", '#include "syscalls/thread.h"', False),
        ("translator/baseline/block.cpp", '#include "syscalls/thread.h"', False),
        ("translator/baseline/block.cpp", '#include "loader/elf.h"', False),
        ("binfmt/registration.cpp", '#include "syscalls/thread.h"', False),
        ("command/run.cpp", '#include "syscalls/thread.h"', True),
        ("syscalls/thread.cpp", '#include "command/run.h"', False),
        ("syscalls/thread.cpp", '#include "binfmt/registration.h"', False),
        ("syscalls/thread.cpp", '#include "tests/loader/helper.h"', False),
        ("translator/aarch64/decode.cpp", '#include "translator/x86_64/decode.h"', False),
        ("translator/x86_64/semantics/add.cpp", '#include "guest/aarch64/cpu.h"', False),
        ("guest/x86_64/cpu.h", '#include "guest/aarch64/cpu.h"', False),
        ("loader/elf.cpp", '#include "../guest/types.h"', False),
        ("loader/elf.cpp", '#include "elf.h"', False),
    ]
    wrong = 0
    for name, text, allowed in cases:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
            if '"elf.h"' in text:
                path.with_suffix(".h").write_text("")
            problems = check(directory)[1]
        if (not problems) != allowed:
            print(f"{name}: {text!r} was judged {problems or 'good'}")
            wrong += 1
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    scanned, problems = check(sys.argv[1])
    print("\n".join(problems))
    if scanned < 10:
        print(f"only {scanned} files found under {sys.argv[1]}: is it the project's top?")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
