#!/usr/bin/env python3
"""warm_test.py FERRY: `ferry cache warm` on programs compiled here, with the optimiser that the ferry carries."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FERRY = sys.argv[1]
SOURCE = r"""
static unsigned sum(const unsigned char* bytes, unsigned long count) {
  unsigned result = 1;
  for (unsigned long i = 0; i < count; i++) result = result * 31 + bytes[i];
  return result;
}
static unsigned char text[1 << 16];
__attribute__((noinline)) unsigned work(int rounds) {
  unsigned result = 0;
  for (int i = 0; i < rounds; i++) {
    for (unsigned long j = 0; j < sizeof text; j++) text[j] = (unsigned char)(i ^ j);
    result ^= sum(text, sizeof text);
  }
  return result;
}
void _start(void) {
  register long status __asm__("x0") = work(300) == 0;
  register long number __asm__("x8") = 94;
  __asm__ volatile("svc 0" : : "r"(status), "r"(number));
  __builtin_unreachable();
}
"""


def compile_program(path, *options):
    subprocess.run(["clang-19", "--target=aarch64-linux-gnu", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld", *options, "-x", "c", "-", "-o", path],
                   input=SOURCE, text=True, check=True)


def environment(cache):
    mine = {name: value for name, value in os.environ.items() if not name.startswith("FERRY_")}
    return {**mine, "FERRY_SYSROOTS": "/nonexistent", "FERRY_CACHE_DIR": str(cache), "FERRY_OPTIMIZER_IDLE": "2"}


def ferry(cache, *arguments, **variables):
    done = subprocess.run([FERRY, *arguments], capture_output=True, text=True, env={**environment(cache), **variables}, timeout=250)
    return done.returncode, done.stdout, done.stderr


def summary(out):
    words = re.fullmatch(r"(\d+) files with (\d+) functions: (\d+) regions from (\d+) requests, nothing could be made of (\d+), (\d+) were lost; \d+ are stored now; \d+ s(.*)\n", out)
    assert words, out
    return [int(number) for number in words.groups()[:6]] + [words[7]]


def stored(cache):
    status, out, _ = ferry(cache, "cache", "status")
    found = re.search(r"this ferry +(\d+) regions", out)
    return int(found[1]) if found else 0


def refuses(status, word, *arguments):
    found, out, error = ferry(folder / "no-cache", "cache", "warm", *arguments)
    assert found == status and out == "" and error.startswith("ferry: ") and error.count("\n") == 1 and word in error, (arguments, found, out, error)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
    folder = pathlib.Path(name)
    tree = folder / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    compile_program(tree / "usr/bin/program")
    compile_program(tree / "usr/bin/stripped", "-funwind-tables", "-Wl,--eh-frame-hdr", "-Wl,-s")
    (tree / "usr/bin/link").symlink_to("program")
    os.link(tree / "usr/bin/program", tree / "usr/bin/same")
    (tree / "usr/text").write_text("no program\n")
    os.mkfifo(tree / "usr/pipe")

    refuses(2, "missing")
    refuses(2, "--limit many", "--limit", "many", name)
    refuses(2, "--limit 0", "--limit", "0", name)
    refuses(2, "--bogus", "--bogus", name)
    refuses(1, "no such file", f"{name}/nowhere")
    refuses(1, "no such file", "nosuchsysroot")
    refuses(1, "no code", str(tree / "usr/text"))
    refuses(1, "no code", "/bin/sh" if os.uname().machine != "aarch64" else str(tree / "usr/text"))

    # One program: its regions are in the store, and once more is no more.
    cache = folder / "cache"
    status, out, error = ferry(cache, "cache", "warm", str(tree / "usr/bin/program"))
    assert status == 0 and error == "", (out, error)
    files, functions, regions, requests, bad, lost, end = summary(out)
    assert files == 1 and functions >= 2 and regions >= 2 and requests == regions + bad and lost == 0 and end == "", out
    kept = stored(cache)
    assert kept == regions and f" {kept} are stored now;" in out, (kept, out)
    assert ferry(cache, "cache", "warm", str(tree / "usr/bin/program"))[0] == 0
    assert stored(cache) == kept
    assert ferry(cache, "cache", "verify")[0] == 0

    # The program is right with them.
    assert ferry(cache, str(tree / "usr/bin/program"))[0] == 0

    # A tree: links and what is no code are passed over, the same file counts once.
    files, functions, regions, *_ = summary(ferry(folder / "second", "cache", "warm", str(tree))[1])
    assert files == 2 and functions >= 4 and regions >= 4, out

    # A sysroot, by its name.
    (folder / "sysroots").mkdir()
    (folder / "sysroots/mine").symlink_to(tree)
    status, out, error = ferry(folder / "second", "cache", "warm", "mine", FERRY_SYSROOTS=str(folder / "sysroots"))
    assert status == 0 and summary(out)[0] == 2, (out, error)

    # Without a store none is made, and the program is no different.
    for arguments, variables in (["--no-cache"], {}), ([], {"FERRY_NO_CACHE": "1"}):
        assert ferry(folder / "never", *arguments, str(tree / "usr/bin/program"), **variables)[0] == 0
        assert not (folder / "never").exists()

    # Bounded.
    *counts, end = summary(ferry(folder / "third", "cache", "warm", "--limit", "1", str(tree))[1])
    assert counts[3] == 1 and end == "; --limit is reached", (counts, end)

    # A directory that cannot be: what is made is kept nowhere, and that is said, with a line of the optimiser's own before it or none.
    status, out, error = ferry("/proc/nowhere", "cache", "warm", "--limit", "1", str(tree))
    assert status == 1 and out == "" and re.fullmatch(r"ferry: /proc/nowhere: none of \d+ regions was kept there: .*; FERRY_CACHE_DIR names another directory", error.splitlines()[-1]), (status, out, error)

    # Interrupted: as a shell expects it, with what is done kept.
    process = subprocess.Popen([FERRY, "cache", "warm", str(tree)], stdout=subprocess.PIPE, text=True, env=environment(folder / "fourth"))
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=60)[0]
    assert process.returncode in (0, 130), process.returncode
    assert process.returncode == 0 or summary(out)[6] == "; interrupted", out

    # What earlier runs spent their time in comes first: the profile names the file, and its hot spot is asked for before all else.
    warmed = folder / "fifth"
    for _ in range(8):
        assert ferry(warmed, str(tree / "usr/bin/program"))[0] == 0
    time.sleep(4)  # the optimiser writes what it knows when it has nothing to do, at the latest when it ends
    out = ferry(warmed, "cache", "status")[1]
    assert re.search(r"profile +[1-9]\d* hot spots in 1 files", out), out
    # With nothing but the profile, the first region made is one that the program uses, in another tree too.
    only_profile = folder / "sixth"
    only_profile.mkdir(mode=0o700)
    shutil.copy(warmed / "profile", only_profile / "profile")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(tree / "usr/bin/program", elsewhere / "program")
    *counts, end = summary(ferry(only_profile, "cache", "warm", "--limit", "1", str(elsewhere))[1])
    assert counts[2] == 1, counts
    status, _, error = ferry(only_profile, "--stats", str(elsewhere / "program"))
    assert status == 0 and re.search(r"^regions_loaded [1-9]", error, re.M), error
