#!/usr/bin/env python3
"""create_test.py FERRY COMMAND...: `ferry sysroot` from end to end, against a repository made here: packages by dpkg-deb, signed by a key made here."""
import gzip
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

FERRY = sys.argv[1:]


def tool(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Repository:
    def __init__(self, folder):
        self.folder, self.packages = folder, []
        self.gpg_home = folder / "gpg"
        self.gpg_home.mkdir(mode=0o700, parents=True)
        self.gpg = ["gpg", "--homedir", str(self.gpg_home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        tool(*self.gpg, "--quick-generate-key", "test@example.org", "ed25519", "sign", "never")
        self.keyring = folder / "key.gpg"
        tool(*self.gpg, "--output", str(self.keyring), "--export")

    def add(self, name, version="1.0", depends="", files=None, links=None, scripts=None):
        root = self.folder / "build" / name
        (root / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: arm64\nMaintainer: test <test@example.org>\nDescription: test\n"
        (root / "DEBIAN/control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
        for path, text in (files or {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for path, target in (links or {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)
        for script, text in (scripts or {}).items():
            (root / "DEBIAN" / script).write_text("#!/bin/sh\n" + text)
            (root / "DEBIAN" / script).chmod(0o755)
        deb = self.folder / f"{name}.deb"
        tool("dpkg-deb", "--root-owner-group", "-b", str(root), str(deb))
        data = deb.read_bytes()
        fields = tool("dpkg-deb", "-f", str(deb)).strip()
        self.packages.append(f"{fields}\nFilename: {deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")

    def publish(self, sign=True):
        dist = self.folder / "dists/bookworm"
        folder = dist / "main/binary-arm64"
        folder.mkdir(parents=True, exist_ok=True)
        text = "\n".join(self.packages).encode()
        hashes = ""
        for name, data in (("Packages", text), ("Packages.gz", gzip.compress(text))):
            (folder / name).write_bytes(data)
            hashes += f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-arm64/{name}\n"
        (dist / "Release").write_text(
            "Origin: test\nSuite: bookworm\nCodename: bookworm\nArchitectures: arm64\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n{hashes}")
        (dist / "InRelease").unlink(missing_ok=True)
        if sign:
            tool(*self.gpg, "--output", str(dist / "InRelease"), "--clearsign", str(dist / "Release"))


def make_repository(folder):
    repository = Repository(folder)
    repository.add("base-files", files={"usr/share/base-files/profile": "profile\n", "etc/os-release": "ID=test\n"})
    repository.add("base-passwd", files={"usr/share/base-passwd/passwd.master": "root:*:0:0\n", "usr/share/base-passwd/group.master": "root:*:0:\n"})
    repository.add("dash", files={"bin/dash": "shell\n"})
    repository.add("libc-bin", version="2:2.36-9+deb12u1", depends="libc6", files={"usr/share/libc-bin/nsswitch.conf": "passwd: files\n"})
    repository.add("libc6", files={"lib/aarch64-linux-gnu/libc.so.6": "libc\n"}, links={"lib/ld.so": "/lib/aarch64-linux-gnu/libc.so.6"})
    awk = "update-alternatives --install /usr/bin/awk awk /usr/bin/{} {}\ntouch /ferry-test-a-script-ran\n"
    repository.add("mawk", depends="libc6", files={"usr/bin/mawk": "mawk\n"}, scripts={"postinst": awk.format("mawk", 5)})
    repository.add("gawk", depends="libc6", files={"usr/bin/gawk": "gawk\n"}, scripts={"postinst": awk.format("gawk", 10)})
    repository.add("extra", depends="mawk", files={"usr/share/extra": "extra\n"})
    repository.publish()
    return repository


class Test:
    def __init__(self, folder):
        self.home = folder / "home"
        self.repository = make_repository(folder / "repository")
        self.source = ["--mirror", f"copy://{self.repository.folder}", "--keyring", str(self.repository.keyring)]

    def ferry(self, *arguments, status=0):
        environment = {**os.environ, "FERRY_SYSROOTS": str(self.home)}
        done = subprocess.run([*FERRY, "sysroot", *arguments], capture_output=True, text=True, env=environment)
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        if status != 0:
            assert done.stderr.startswith("ferry: ") and done.stderr.count("\n") == 1, f"not one line: {done.stderr!r}"
        assert not list(self.home.glob(".unfinished*")), "something was left behind"
        return done.stdout + done.stderr

    def run(self):
        self.creates()
        self.refuses()
        self.adds()
        self.removes()

    def creates(self):
        self.ferry("create", "first", "--arch", "arm64", "--suite", "bookworm", "--include", "mawk,gawk", *self.source)
        tree = self.home / "first"
        read = lambda path: (tree / path).read_text()
        assert os.readlink(tree / "bin") == "usr/bin" and read("usr/bin/dash") == "shell\n", "merged /usr"
        assert read("lib/aarch64-linux-gnu/libc.so.6") == "libc\n", "a dependency"
        assert os.readlink(tree / "lib/ld.so") == "/lib/aarch64-linux-gnu/libc.so.6", "links stay as they are in the package"
        assert os.readlink(tree / "etc/alternatives/awk") == "/usr/bin/gawk", "the alternative of the highest priority"
        assert os.readlink(tree / "usr/bin/awk") == "/etc/alternatives/awk"
        assert os.readlink(tree / "bin/sh") == "dash"
        assert read("etc/passwd") == "root:*:0:0\n" and read("etc/nsswitch.conf") == "passwd: files\n" and read("etc/profile") == "profile\n"
        assert read("var/lib/dpkg/status").count("Status: install ok installed") == 7
        assert not pathlib.Path("/ferry-test-a-script-ran").exists() and not (tree / "ferry-test-a-script-ran").exists(), "a script ran"
        assert os.readlink(self.home / "default-arm64") == "first", "the first is the default"
        self.ferry("create", "second", *self.source)
        assert os.readlink(self.home / "default-arm64") == "first"
        listed = self.ferry("list").splitlines()
        assert [line.split()[0] for line in listed] == ["first", "second"] and "default" in listed[0] and "default" not in listed[1], listed

    def refuses(self):
        assert "already" in self.ferry("create", "first", *self.source, status=1)
        assert "nosuch" in self.ferry("create", "third", "--include", "nosuch", *self.source, status=1)
        for name in ("../up", ".hidden", "a/b", "default-arm64", ""):
            self.ferry("create", name, *self.source, status=1)
        self.ferry("create", "third", "--include", "-oDir=/", *self.source, status=1)
        self.ferry("create", "third", "--arch", "mips", *self.source, status=1)
        self.ferry("create", "third", "--bogus", status=2)
        self.ferry("frobnicate", status=2)
        self.ferry("create", status=2)
        other = Repository(self.home.parent / "other")
        self.ferry("create", "third", "--mirror", self.source[1], "--keyring", str(other.keyring), status=1)
        self.repository.publish(sign=False)
        self.ferry("create", "third", *self.source, status=1)
        self.repository.publish()
        assert sorted(path.name for path in self.home.iterdir()) == [".cache", "default-arm64", "first", "second"]

    def adds(self):
        self.ferry("add", "second", "--include", "extra")
        assert (self.home / "second/usr/share/extra").read_text() == "extra\n"
        assert os.readlink(self.home / "second/etc/alternatives/awk") == "/usr/bin/mawk"
        self.ferry("add", "nosuch", "--include", "extra", status=1)
        self.ferry("add", "second", status=2)
        (self.home / "second/mark").write_text("")
        self.ferry("create", "second", "--force", *self.source)
        assert not (self.home / "second/mark").exists() and not (self.home / "second/usr/share/extra").exists()

    def removes(self):
        self.ferry("default", "second")
        assert os.readlink(self.home / "default-arm64") == "second"
        self.ferry("remove", "second")
        assert not os.path.lexists(self.home / "default-arm64") and not (self.home / "second").exists()
        self.ferry("remove", "second", status=1)
        self.ferry("remove", "../first", status=1)
        assert (self.home / "first").exists()


with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ferry-sysroots-") as folder:
    Test(pathlib.Path(folder)).run()
