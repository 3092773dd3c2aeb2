#!/usr/bin/env python3
"""What ferry tells of its own work, read back as its readers do: perf's map file, the jitdump, --dump-regions, --stats.

diagnostics.py perf-map|jitdump|regions|stats PROGRAM FERRY... (PROGRAM: profiled.c, FERRY...: ferry with its options)
"""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time


def fail(text):
    sys.exit(f"diagnostics: {text}")


def require(kept, text):
    if not kept:
        fail(text)


def run(ferry, options, program, *arguments, **settings):
    return subprocess.run(ferry + options + ["--", program, *arguments], capture_output=True, text=True, timeout=120, **settings)


def processes(done):
    require(done.returncode == 0 and done.stdout.count(" ") == 2, f"status {done.returncode}: {done.stdout}{done.stderr}")
    parent, child, status = map(int, done.stdout.split())
    require(status == 0, f"the child's status is {status}")
    return parent, child


def require_named(names, wanted, unwanted, where):
    functions = {re.sub(r"(\+0x[0-9a-f]+)?( \[region\])?$", "", name) for name in names}
    require(wanted <= functions, f"{where} names no {wanted - functions}")
    require(not unwanted & functions, f"{where} names {unwanted & functions}")


def test_perf_map(ferry, program):
    done = run(ferry, ["--perf-map", "--no-cache"], program)
    parent, child = processes(done)
    for process, wanted, unwanted in ((parent, {"parent_work", "main"}, {"child_work", "executed_work"}),
                                      (child, {"parent_work", "child_work", "executed_work", "main"}, set())):
        path = pathlib.Path(f"/tmp/perf-{process}.map")
        require(path.stat().st_mode & 0o777 == 0o600, f"{path} may be read by others")
        lines = path.read_text().splitlines()
        path.unlink()
        pieces = []
        for line in lines:
            match = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (\S.*)", line)
            require(match, f"{path} has the line {line!r}")
            pieces.append((int(match[1], 16), int(match[2], 16), match[3]))
        require(all(size > 0 for _, size, _ in pieces), f"{path} has pieces without size")
        require_named((name for _, _, name in pieces), wanted, unwanted, path)


def read_jitdump(path):
    data = path.read_bytes()
    magic, version, size, machine, _, process, _, flags = struct.unpack_from("<IIIIIIQQ", data)
    require((magic, version, size, flags) == (0x4A695444, 1, 40, 0), f"{path} has another header")
    require(machine in (62, 183), f"{path} is of machine {machine}")
    names, at, previous = [], size, 0
    while at < len(data):
        kind, size, when = struct.unpack_from("<IIQ", data, at)
        require(kind in (0, 3) and size >= 16 and at + size <= len(data), f"{path}: a record that makes no sense at {at}")
        require(when >= previous, f"{path}: time goes back at {at}")
        require(kind == 0 or at + size == len(data), f"{path}: it goes on where it is closed, at {at}")
        previous = when
        if kind == 0:
            owner, _, address, again, code_size, index = struct.unpack_from("<IIQQQQ", data, at + 16)
            end = data.index(b"\0", at + 56)
            require((owner, address, index) == (process, again, len(names)), f"{path}: the record at {at} contradicts itself")
            require(end + 1 + code_size == at + size, f"{path}: the record at {at} has another size")
            names.append(data[at + 56:end].decode())
        at += size
    return process, names


def test_jitdump(ferry, program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        done = run(ferry, ["--jitdump", "--no-cache"], program, env=os.environ | {"TMPDIR": directory})
        parent, child = processes(done)
        dumps = sorted(pathlib.Path(directory).glob("ferry-jit-*/jit-*.dump"), key=lambda path: path.stat().st_ctime_ns)
        found = {}
        for path in dumps:
            process, names = read_jitdump(path)
            require(path.name == f"jit-{process}.dump", f"{path} is of process {process}")
            require(path.parent.stat().st_mode & 0o777 == 0o700, f"{path.parent} is open to others")
            found.setdefault(process, []).append(names)
        require(sorted(map(len, found.values())) == [1, 2] and len(found[child]) == 2, f"dumps: {dumps}")
        require_named(found[parent][0], {"parent_work", "main"}, {"child_work", "executed_work"}, "the parent's")
        forked, executed = sorted(found[child], key=lambda names: any("executed_work" in name for name in names))
        require_named(forked, {"parent_work", "child_work"}, {"executed_work"}, "the child's")
        require_named(executed, {"executed_work"}, {"parent_work", "child_work"}, "the executed program's")


def work_until(ferry, options, program, directory, ready):
    """Runs the program until ready() says so; returns what it printed on standard error."""
    stop = pathlib.Path(directory) / "stop"
    environment = os.environ | {"FERRY_CACHE_DIR": f"{directory}/cache"}
    with subprocess.Popen(ferry + options + ["--", program, str(stop)], stderr=subprocess.PIPE, text=True, env=environment) as process:
        for _ in range(6000):
            if ready() or process.poll() is not None:
                break
            time.sleep(0.01)
        stop.touch()
        _, error = process.communicate(timeout=60)
        require(process.returncode == 0, f"status {process.returncode}: {error}")
    stop.unlink()
    return error


def test_regions(ferry, program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        shown = pathlib.Path(directory) / "shown"
        log = pathlib.Path(directory) / "log"
        options = ["--optimizer-idle", "1", "--dump-regions", str(shown), "--log", "regions", "--log-file", str(log)]
        # The second time the store knows the region, which is compiled and shown all the same.
        for turn in range(2):
            work_until(ferry, options, program, directory, lambda: list(shown.glob("*parent_work*.code")))
            (request,), (before,), (after,), (code,) = (list(shown.glob(f"*-parent_work*.{kind}")) for kind in ("request", "before.ll", "after.ll", "code"))
            require("callbr" in before.read_text() or "define" in before.read_text(), "no IR before the passes")
            require("define" in after.read_text() and "alloca" not in after.read_text(), "no IR after the passes")
            text = code.read_text()
            require(re.search(r"^0x[0-9a-f]+  (mul|madd|add|eor) ", text, re.M) and re.search(r"\|\s+[0-9a-f]+  \w+", text), f"no code: {text}")
            require(re.search(r"^entered at 0x", request.read_text(), re.M), "no request")
            require(re.search(r"region of parent_work.*: formed", log.read_text()), f"no log: {log.read_text()}")
            require(code.stat().st_mode & 0o777 == 0o600, "others may read it")
            shutil.rmtree(shown)


def counters(text):
    return {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


def test_stats(ferry, program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        log = pathlib.Path(directory) / "log"
        options = ["--optimizer-idle", "1", "--log", "regions", "--log-file", str(log), "--stats"]
        placed = lambda: log.exists() and "put in place" in log.read_text()
        work_until(ferry, options, program, directory, placed)
        first = counters(log.read_text())
        require(first["regions_received"] > 0 and first["region_answer_ns"] > 0 and first["region_bytes"] > 0, f"{first}")
        require(first["regions_asked"] >= first["regions_received"] + first["regions_refused"] + first["regions_lost"], f"{first}")
        require(first["regions_installed"] == first["regions_received"] + first["regions_loaded"], f"{first}")
        log.unlink()
        work_until(ferry, options, program, directory, placed)
        second = counters(log.read_text())
        require(second["regions_loaded"] > 0, f"nothing is loaded from the store: {second}")
        # What is translated is kept at a process's end, by an optimiser that may take its time.
        for _ in range(100):
            log.unlink()
            work_until(ferry, options, program, directory, placed)
            third = counters(log.read_text())
            if third["pages_loaded"] > 0:
                break
        require(third["pages_instructions"] > third["translated_instructions"], f"no page is loaded from the store: {third}")


def main():
    tests = {"perf-map": test_perf_map, "jitdump": test_jitdump, "regions": test_regions, "stats": test_stats}
    tests[sys.argv[1]](sys.argv[3:], sys.argv[2])


if __name__ == "__main__":
    main()
