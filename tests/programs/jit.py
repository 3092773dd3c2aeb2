#!/usr/bin/env python3
"""Programs that make code while they run, under the optimiser: what they make becomes regions and is rewritten.

jit.py luajit SCRIPT FERRY...        luajit's compiler, with an empty store and again with what is in it then; compared with its interpreter
jit.py rewritten PROGRAM FERRY...    rewritten.c, until regions have been dropped for its changes (FERRY...: ferry with its options)
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ATTEMPTS = 20  # where others keep the optimiser from its cores until the guest is done
DROPPED = 8    # changes that dropped regions are enough


def require(kept, text):
    if not kept:
        sys.exit(f"jit: {text}")


def luajit(ferry, store, options, arguments):
    """What it prints, and ferry's counters."""
    done = subprocess.run(ferry + options + ["--stats", "--", "/usr/bin/luajit", *arguments], capture_output=True, text=True, timeout=250,
                          env=os.environ | {"FERRY_CACHE_DIR": store})
    require(done.returncode == 0, f"luajit {arguments}: status {done.returncode}: {done.stderr}")
    return done.stdout, {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", done.stderr, re.M)}


def test_luajit(ferry, script):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as store:  # an optimiser may be writing there still
        expected, _ = luajit(ferry, store, ["--no-optimizer"], ["-joff", script])
        require(expected.count("\n") >= 20, f"the interpreter prints {expected}")
        found, _ = luajit(ferry, store, ["--no-optimizer"], [script])
        require(found == expected, f"without the optimiser:\n{found}instead of\n{expected}")
        # What its compiler makes lies in no file and is in no store, so that the second and later runs have regions of both kinds.
        seen = {"regions_received": 0, "regions_loaded": 0, "regions_invalidated": 0}
        for attempt in range(ATTEMPTS):
            found, counters = luajit(ferry, store, ["--optimizer-idle", "2"], [script])
            require(found == expected, f"run {attempt}:\n{found}instead of\n{expected}")
            seen = {key: value + counters[key] for key, value in seen.items()}
            if attempt > 0 and all(seen.values()):
                return
        sys.exit(f"jit: of what is to be tried here something did not happen: {seen}")


def test_rewritten(ferry, program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        log, stop = pathlib.Path(directory) / "log", pathlib.Path(directory) / "stop"
        options = ["--optimizer-idle", "2", "--log", "memory", "--log-file", str(log)]
        dropped = lambda: log.exists() and len(re.findall(r"blocks and [1-9]\d* regions", log.read_text())) >= DROPPED
        with subprocess.Popen(ferry + options + ["--", program, str(stop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"FERRY_CACHE_DIR": f"{directory}/cache"}) as process:
            limit = time.monotonic() + 200
            while not dropped() and process.poll() is None and time.monotonic() < limit:
                time.sleep(0.05)
            stop.touch()
            try:
                out, error = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                sys.exit("jit: a thread stays in code that has been changed")
        require((process.returncode, out) == (0, "done\n"), f"status {process.returncode}: {out}{error}")
        require(dropped(), f"no {DROPPED} changes dropped regions: {log.read_text()}")


if __name__ == "__main__":
    {"luajit": test_luajit, "rewritten": test_rewritten}[sys.argv[1]](sys.argv[3:], sys.argv[2])
