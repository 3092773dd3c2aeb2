#!/usr/bin/env python3
"""Runs the command lines of debian.txt under ferry and on the host, and compares standard output and exit status.

debian.py --tree TREE [--section NAME] [--filter TEXT] [--reference qemu] -- FERRY COMMAND...

The reference is the host's own program; qemu-aarch64 with the guest's, where the host has none or another version.
"""
import argparse
import os
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "PYTHONHASHSEED": "0",
               "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"}


def make_files(directory):
    """The same files every time; names are those that debian.txt uses."""
    rng = random.Random(2026)
    directory = pathlib.Path(directory)
    syllables = ["wa", "no", "re", "ki", "bel", "the", "foo", "a", "e", "zen", "tu", "word", "mab", "ss"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) + (str(rng.randint(0, 99)) if rng.random() < 0.2 else "") for _ in range(300)]
    numbers = [rng.randint(-5000, 100000) for _ in range(800)]
    prose = ["\t" * (i % 3) + " ".join(rng.choices(words + ["the", "foo"], k=rng.randint(0, 25))) for i in range(120)]
    texts = {
        "words": words, "numbers": numbers, "prose": prose, "sorted": sorted(words), "words-sorted": sorted(set(words)),
        "patterns": rng.sample(words, 10), "pairs": [f"p{i} p{i + rng.randint(1, 9)}" for i in range(60)],
        "table.csv": sorted(f"key{i:03},{rng.choice(['red', 'green', 'blue'])},{rng.uniform(0, 1000):.3f}" for i in range(150)),
    }
    for name, lines in texts.items():
        (directory / name).write_text("".join(f"{line}\n" for line in lines))
    (directory / "binary").write_bytes(bytes(rng.randrange(256) for _ in range(9000)) + b"\0" * 500)
    for path in ["tree/a/file", "tree/a/b/deep.txt", "tree/c.txt", "tree/d"]:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(f"{path} holds a word\n" * 3)
    (directory / "tree/link").symlink_to("a/file")
    (directory / "tree/a/file").chmod(0o640)
    shutil.copytree(HERE / "debian", directory / "debian")
    for path in [directory, *directory.rglob("*")]:
        os.utime(path, (1.6e9, 1.6e9), follow_symlinks=False)


def rows():
    section = None
    for line in (HERE / "debian.txt").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield section, line


def find(name, root):
    for folder in ("usr/bin", "bin"):
        if os.access(os.path.join(root, folder, name), os.X_OK) or os.path.islink(os.path.join(root, folder, name)):
            return f"/{folder}/{name}"
    return None


def arguments_of(row, tree):
    """(argument vector with the program's path in the guest, file for standard input)"""
    if row.startswith("! "):
        return ["/bin/bash", "-c", row[2:]], None
    words = shlex.split(row.replace("\\n", "\n") if row.startswith("python3") else row)
    stdin = None
    if len(words) > 2 and words[-2] == "<":
        stdin, words = words[-1], words[:-2]
    program = find(words[0], tree)
    return ([program] + words[1:] if program else None), stdin


def run(command, stdin):
    with tempfile.TemporaryDirectory(prefix="ferry-debian-") as directory:
        make_files(directory)
        with open(os.path.join(directory, stdin) if stdin else "/dev/null", "rb") as source:
            try:
                result = subprocess.run(command, stdin=source, capture_output=True, cwd=directory, env=ENVIRONMENT, timeout=120)
            except subprocess.TimeoutExpired:
                return b"", "time limit", b""
        return result.stdout.replace(directory.encode(), b"DIRECTORY"), result.returncode, result.stderr


def main():
    split = sys.argv.index("--")
    options = argparse.ArgumentParser()
    options.add_argument("--tree", required=True)
    options.add_argument("--section")
    options.add_argument("--filter", default="")
    options.add_argument("--reference", choices=["host", "qemu"], default="host")
    options = options.parse_args(sys.argv[1:split])
    ferry = sys.argv[split + 1:]
    failed = count = 0
    for section, row in rows():
        if options.section and section != options.section or options.filter not in row:
            continue
        arguments, stdin = arguments_of(row, options.tree)
        if arguments is None:
            print(f"FAILED {row}: not in {options.tree}")
            failed += 1
            continue
        on_host = options.reference == "host" and os.access(arguments[0], os.X_OK)
        if on_host:
            expected = run(arguments, stdin)
        else:
            expected = run(["qemu-aarch64-static", "-L", options.tree, "-0", arguments[0], options.tree + arguments[0]] + arguments[1:], stdin)
        found = run(ferry + arguments, stdin)
        count += 1
        if found[:2] != expected[:2]:
            failed += 1
            print(f"FAILED {row}\n  expected {expected[1]} {expected[0][-300:]!r}\n  found    {found[1]} {found[0][-300:]!r} {found[2][-600:]!r}")
    print(f"{count - failed} of {count} command lines do what the host's programs do")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
