#!/usr/bin/env python3
"""The optimiser that ferry carries, with guests that run, fork, execute and close everything; started in an empty root, killed, ended.

optimizer_test.py FERRY HOT_GUEST
"""
import atexit
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# Other ferries' optimisers are told from this test's by an option that means all cores.
CORES = str(10_000 + os.getpid() % 80_000)
FERRY, GUEST = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
LOOP, AGAIN, CHILD = "loop 34c11d7d50069a81", "again bd439832c15817fb", "child 34c11d7d50069a81"
WARM = "warm 0000000003c7362e"
QUIET = ["wait fffffffffffffff6", "descriptors 0000000000000000"]


def ferry(*steps, options=(), cache="", idle=600, program=GUEST, executable=FERRY, before=None, while_running=None):
    """The guest's lines, the log, and the counters that --stats prints, each the sum over all processes."""
    environment = {"PATH": "/usr/bin:/bin", "FERRY_OPTIMIZER_IDLE": str(idle), "FERRY_OPTIMIZER_CORES": CORES, "FERRY_CACHE_DIR": cache}
    process = subprocess.Popen([executable, "--log", "optimizer", "--stats", *options, program, *steps], env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before)
    if while_running:
        while_running(process)
    out, error = process.communicate(timeout=120)
    counters = {}
    for name, value in re.findall(r"^([a-z_]+) (\d+)$", error, re.MULTILINE):
        counters[name] = counters.get(name, 0) + int(value)
    assert process.returncode == 0, (process.returncode, out, error)
    return out.splitlines(), error, counters


def optimizers():
    """The process ids of those that this test's guests started."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if f"cores={CORES}".encode() in file.read().split(b"\0"):
                    found.add(int(name))
        except OSError:
            pass
    return found


def optimised(regions, *steps, **how):
    """ferry(), again where others kept the optimiser from its cores until the guest was done."""
    for _ in range(10):
        result = ferry(*steps, **how)
        if result[2]["regions_received"] + result[2]["regions_loaded"] >= regions:
            return result
    raise AssertionError(result)


def end_them(how=signal.SIGTERM):
    for victim in optimizers():
        try:
            os.kill(victim, how)
        except ProcessLookupError:
            pass


def wait_until(what):
    for _ in range(3000):
        if what():
            return True
        time.sleep(0.01)
    return False


atexit.register(end_them)
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
    cache = f"{directory}/cache"

    # The first hot loop starts it, the store keeps what it made, and the guest sees nothing of it.
    lines, log, counters = ferry("loop", "quiet", cache=cache)
    assert lines == [LOOP, *QUIET] and "optimiser: started" in log and counters["regions_loaded"] == 0, (lines, log)
    assert optimizers(), "it lives on"
    assert wait_until(lambda: ferry("loop", cache=cache)[2]["regions_loaded"] >= 1)
    lines, log, counters = ferry("loop", "quiet", cache=cache)
    assert lines == [LOOP, *QUIET] and counters["regions_installed"] >= 1 and "optimiser: started" not in log, (lines, log)

    # What is too short to become hot adds up, and the tenth or so run finds its region in the store.
    runs = [ferry("warm", cache=cache) for _ in range(12)]
    assert all(lines == [WARM] for lines, _, _ in runs) and runs[0][2]["regions_installed"] == 0, runs[0]
    assert wait_until(lambda: ferry("warm", cache=cache)[2]["regions_loaded"] >= 1)

    # Descriptors that are closed, children, and the next program: each has its optimiser.
    lines, log, counters = optimised(2, "loop", "close", "again", "fork", cache=cache)
    assert lines == [LOOP, AGAIN, CHILD, "status 0000000000000000"], lines
    lines, log, counters = optimised(2, "exec", "again", "loop", options=["--no-cache"])
    assert lines == [AGAIN, LOOP], lines

    # Killed in the middle, it costs nothing but speed; another is started when there is need.
    def kill_it(process):
        wait_until(optimizers)
        end_them(signal.SIGKILL)
    lines, log, counters = ferry("loop", "again", options=["--no-cache"], while_running=kill_it)
    assert lines == [LOOP, AGAIN], lines

    # Not wanted.
    lines, log, counters = ferry("loop", options=["--no-optimizer"])
    assert lines == [LOOP] and counters["regions_installed"] == 0, log

    # That a store may not be used is said once, not with every region.
    os.mkdir(f"{directory}/open")
    os.chmod(f"{directory}/open", 0o755)
    lines, log, counters = optimised(2, "loop", "again", cache=f"{directory}/open")
    assert lines == [LOOP, AGAIN] and log.count("no store is used") == 1, (lines, log)

    # In an empty root, without /proc and /dev and with nothing to be written: where only root can go.
    if os.geteuid() == 0:
        root = f"{directory}/root"
        os.mkdir(root)
        shutil.copy(FERRY, f"{root}/ferry")
        shutil.copy(GUEST, f"{root}/guest")
        libc = ctypes.CDLL(None, use_errno=True)

        def enter():
            CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
            mounted = (libc.unshare(CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0 and
                       libc.mount(root.encode(), root.encode(), None, MS_BIND, None) == 0 and
                       libc.mount(None, root.encode(), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None) == 0)
            os.chroot(root)
            os.chdir("/")
            if mounted:
                assert not os.access("/", os.W_OK)
        lines, log, counters = optimised(2, "loop", "quiet", "again", cache="/cache", program="/guest", executable="/ferry", before=enter)
        assert lines == [LOOP, *QUIET, AGAIN], (lines, log)

    # With nothing to do it ends.
    end_them()
    assert wait_until(lambda: not optimizers()), optimizers()
    lines, log, counters = ferry("loop", idle=1, cache=f"{directory}/another")
    assert "optimiser: started" in log and wait_until(lambda: not optimizers()), (log, optimizers())
