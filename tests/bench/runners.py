"""Ways to run a workload, and how one run is measured: natively, under ferry with its optimiser in several states, under qemu-user."""
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

Sample = collections.namedtuple("Sample", "wall cpu faults peak status output error")

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "PYTHONHASHSEED": "0", "TERM": "dumb"}


class Runner:
    """Turns a workload into a command line and measures it."""

    def __init__(self, name, prefix, root, spawn, kernels, measure, environment=None):
        self.name, self.prefix, self.root, self.spawn, self.kernels, self.measure = name, prefix, root, spawn, kernels, measure
        self.environment = ENVIRONMENT | {"SPAWN": spawn} | (environment or {})

    def command(self, workload):
        program, *arguments = workload.command
        if self.name == "native" and workload.native:
            program = workload.native
        if program == "KERNELS":
            program = self.kernels
        else:
            program = self.root + program
        return self.prefix + [program] + arguments

    def prepare(self, workload, first):
        """Before a measured run; `first` of the workload's."""

    def run(self, workload):
        with tempfile.NamedTemporaryFile() as report, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
            try:
                subprocess.run([self.measure, report.name] + self.command(workload), stdin=subprocess.DEVNULL, stdout=output, stderr=error,
                               env=self.environment, timeout=300)
            except subprocess.TimeoutExpired:
                return Sample(0, 0, 0, 0, "time limit", b"", b"")
            output.seek(0), error.seek(0)
            fields = report.read().split() or [0, 0, 0, 0, 0, 127 << 8]
            wall, user, system, faults, peak, status = map(int, fields)
            return Sample(wall / 1e6, (user + system) / 1e3, faults, peak / 1024, os.waitstatus_to_exitcode(status), output.read(), error.read())


class Optimizer:
    """ferry's optimiser with a store of this bench's, which makes it a process of its own: ended between measurements, and waited
    for. What it took adds up."""

    PHASES = ("lift", "optimise", "generate", "pack")

    def __init__(self, ferry, directory):
        # Optimisers of other builds of ferry are in nobody's way.
        self.identity = subprocess.run([ferry, "cache", "identity"], capture_output=True, text=True).stdout.strip()
        self.cache = pathlib.Path(directory) / "cache"
        self.log = pathlib.Path(directory) / "optimizer.log"
        self.environment = {"FERRY_CACHE_DIR": str(self.cache)}
        self.logged = self.environment | {"FERRY_LOG": "optimizer", "FERRY_LOG_FILE": str(self.log)}
        self.totals = collections.Counter()

    def command_lines(self):
        """(process id, words) of all this ferry's optimisers of this user, with their workers."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace").split("\0")
                if words[0] == "ferry-optimizer" and f"identity={self.identity}" in words and os.stat(f"/proc/{name}").st_uid == os.geteuid():
                    yield int(name), words
            except OSError:
                pass

    def processes(self):
        return [process for process, words in self.command_lines() if f"directory={self.cache}" in words]

    @staticmethod
    def cpu(processes):
        ticks = 0
        for process in processes:
            try:
                fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
            except (OSError, IndexError):
                pass
        return ticks

    def wait_until_idle(self, seconds=20):
        """No cpu time for a fifth of a second."""
        quiet, last = 0, -1
        for _ in range(seconds * 20):
            now = self.cpu(self.processes())
            quiet = quiet + 1 if now == last else 0
            if quiet >= 4:
                return
            last = now
            time.sleep(0.05)

    def end(self):
        processes = self.processes()
        if processes:
            self.totals["process_us"] += self.cpu(processes) * 1000000 // os.sysconf("SC_CLK_TCK")
        for process in processes:
            try:
                os.kill(process, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for _ in range(1000):
            if not self.processes():
                break
            time.sleep(0.005)
        self.read_log()

    def read_log(self):
        if not self.log.exists():
            return
        for line in re.findall(r"optimiser: compiled .*", self.log.read_text(errors="replace")):
            regions, instructions = map(int, re.match(r"optimiser: compiled (\d+) regions, (\d+) instructions", line).groups())
            self.totals["regions"] += regions
            self.totals["instructions"] += instructions
            for phase in self.PHASES:
                self.totals[phase] += int(re.search(rf"{phase} (\d+)", line)[1])
        self.log.unlink()

    def forget(self):
        """Ends it and empties the store."""
        self.end()
        shutil.rmtree(self.cache, ignore_errors=True)


class Cold(Runner):
    """Nothing is known and no optimiser runs. To come before Warm."""

    def __init__(self, optimizer, *arguments):
        super().__init__("cold", *arguments, environment=optimizer.logged)
        self.optimizer = optimizer

    def prepare(self, workload, first):
        self.optimizer.forget()


class Warm(Runner):
    """What runs before have made hot is in the store."""

    def __init__(self, optimizer, *arguments):
        super().__init__("warm", *arguments, environment=optimizer.environment)
        self.optimizer = optimizer

    def prepare(self, workload, first):
        """After the cold runs: again, until nothing more is asked for, but no more than three times."""
        if not first:
            return
        self.optimizer.wait_until_idle()
        for _ in range(3):
            before = self.optimizer.cpu(self.optimizer.processes())
            self.run(workload)
            self.optimizer.wait_until_idle()
            if self.optimizer.cpu(self.optimizer.processes()) == before:
                return
