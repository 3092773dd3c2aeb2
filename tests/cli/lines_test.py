#!/usr/bin/env python3
"""lines_test.py FERRY COMMAND...: what ferry says, and its status, for command lines that do not start a guest."""
import os
import pathlib
import subprocess
import sys
import tempfile

FERRY = sys.argv[1:]


def ferry(*arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FERRY_")}
    done = subprocess.run([*FERRY, *arguments], capture_output=True, text=True, env={**environment, "FERRY_SYSROOTS": "/nonexistent", **variables})
    return done.returncode, done.stdout, done.stderr


def refuses(status, word, *arguments, **variables):
    found, out, error = ferry(*arguments, **variables)
    assert found == status and out == "" and error.startswith("ferry: ") and error.count("\n") == 1 and word in error, (arguments, found, out, error)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "text").write_text("no program\n")
    (folder / "text").chmod(0o755)
    (folder / "plain").write_text("no program\n")
    (folder / "cut").write_bytes(b"\x7fELF")
    (folder / "cut").chmod(0o755)
    refuses(2, "no program")
    refuses(2, "--bogus", "--bogus", "/bin/true")
    refuses(126, "the optimiser", "--optimizer")
    refuses(2, "categories", "--log", "nosuch", "/bin/true")
    refuses(2, "FERRY_STRACE", "/bin/true", FERRY_STRACE="perhaps")
    refuses(127, "no such file", f"{name}/missing")
    refuses(127, "not found in PATH", "no-such-program")
    refuses(126, name, name)
    refuses(126, "plain", f"{name}/plain")
    refuses(126, "not an ELF file", f"{name}/text")
    refuses(126, "cut", f"{name}/cut")
    refuses(127, "ferry sysroot create", "-L", "nosuch", "/bin/true")
    refuses(127, "no such directory", "-L", "./nosuch", "/bin/true")
    refuses(126, "log file", "--log-file", f"{name}/no/such", "/bin/true")
    refuses(2, "--dump-regions", "--dump-regions", f"{name}/no/such", "/bin/true")
    refuses(2, "--dump-regions", "--dump-regions", f"{name}/plain", "/bin/true")
    refuses(2, "sysroot help", "sysroot")
    refuses(2, "sysroot help", "sysroot", "nosuch")
    refuses(2, "cache help", "cache")
    refuses(2, "cache help", "cache", "nosuch")
    refuses(2, "cache help", "cache", "status", "extra")
    refuses(2, "FERRY_CACHE_SIZE", "/bin/true", FERRY_CACHE_SIZE="many")
    refuses(2, "FERRY_NO_CACHE", "/bin/true", FERRY_NO_CACHE="perhaps")
    refuses(2, "binfmt help", "binfmt")
    refuses(2, "binfmt help", "binfmt", "print", "--arch", "vax")
    refuses(2, "absolute", "binfmt", "print", "--interpreter", "ferry")

status, out, _ = ferry("--version")
assert status == 0 and out.splitlines()[0] == "ferry 0.1.0", out
assert out.splitlines()[1:] in ([], ["built without LLVM: no optimiser"]), out
for words in (["--help"], ["sysroot", "help"], ["cache", "help"], ["binfmt", "help"]):
    status, out, error = ferry(*words)
    assert status == 0 and error == "" and "ferry" in out, words
status, out, error = ferry("binfmt", "print", "--arch=aarch64", "--interpreter", "/usr/bin/ferry")
assert status == 0 and out.startswith(":ferry-aarch64:M::\\x7f\\x45\\x4c\\x46") and out.endswith(":/usr/bin/ferry:POCF\n"), out

if len(FERRY) > 1:
    sys.exit(0)  # an emulated ferry is not of the machine whose /bin/sh this is

# A program of this machine is executed as it is, with the environment and argv[0] that the options make.
shell = ["/bin/sh", "-c"]
assert ferry("-E", "A=1", *shell, "echo $A.$FERRY_STRACE.$FERRY_SYSROOTS; exit 5", FERRY_STRACE="0") == (5, "1..\n", "")
assert ferry("-U", "A", *shell, "echo ${A-unset}", A="1")[1] == "unset\n"
assert ferry("-0", "name", *shell, "echo $0")[1] == "name\n"
assert ferry("sh", "-c", "exit 6")[0] == 6, "found in PATH"
