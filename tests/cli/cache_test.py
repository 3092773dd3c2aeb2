#!/usr/bin/env python3
"""cache_test.py FERRY STORE_MAKER: `ferry cache` on stores that STORE_MAKER writes, good, damaged, and not to be used."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FERRY, MAKER = sys.argv[1:]
FIRST_RECORD = 4096 + 8 * 1024  # behind the header and the first index


def ferry(*arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FERRY_") and name != "XDG_CACHE_HOME"}
    done = subprocess.run([FERRY, "cache", *arguments], capture_output=True, text=True, env={**environment, **variables})
    return done.returncode, done.stdout, done.stderr


def expect(status, words, *arguments, **variables):
    found, out, error = ferry(*arguments, **variables)
    assert found == status and error == "", (arguments, found, out, error)
    for word in words:
        assert word in out, (arguments, word, out)


def refuses(word, *arguments, **variables):
    found, out, error = ferry(*arguments, **variables)
    assert found == 1 and out == "" and error.startswith("ferry: ") and error.count("\n") == 1 and word in error, (arguments, found, out, error)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    cache = folder / "home/.cache/ferry"
    (folder / "home").mkdir()
    place = {"HOME": str(folder / "home")}

    expect(0, [str(cache), "not there yet"], "status", **place)
    expect(0, ["removed 0 stores"], "clear", **place)
    expect(0, ["0 stores", "nothing damaged"], "verify", **place)
    assert not cache.exists(), "looking makes nothing"

    # A store with 3 regions, one of which has 2 entries, and a bad request.
    subprocess.run([MAKER, FERRY, cache, "this"], check=True)
    expect(0, ["3 regions with 3 entries", "1 pages", "1 requests", "0 stores of other", "1 hot spots in 1 files", "made by, for    a store\n"], "status", **place)
    subprocess.run([MAKER, FERRY, cache, "another build"], check=True)
    expect(0, ["1 stores of other"], "status", **place)
    expect(0, ["2 stores", "6 regions and 2 pages in order, nothing damaged"], "verify", **place)
    expect(0, ["2 stores"], "verify", FERRY_CACHE_DIR=str(cache))
    expect(0, ["not there yet"], "status", XDG_CACHE_HOME=name, **place)

    # A byte of each store's first record altered: verify says so once.
    for store in cache.glob("regions-*"):
        with store.open("r+b") as file:
            file.seek(FIRST_RECORD + 60)
            byte = file.read(1)[0]
            file.seek(FIRST_RECORD + 60)
            file.write(bytes([byte ^ 1]))
    expect(0, ["damaged         1 records; `ferry cache verify`"], "status", **place)
    expect(1, ["2 regions and 1 pages in order, 1 damaged", "2 stores, 4 regions"], "verify", **place)
    expect(0, ["2 stores, 4 regions and 2 pages in order, nothing damaged"], "verify", **place)

    # One cut: it goes as a whole.
    store = sorted(cache.glob("regions-*"))[0]
    os.truncate(store, 5000)
    expect(1, ["is cut", "removed"], "verify", **place)
    assert not store.exists()
    expect(0, ["1 stores, 2 regions and 1 pages in order, nothing damaged"], "verify", **place)

    expect(0, ["removed 1 stores"], "clear", **place)
    assert [entry.name for entry in cache.iterdir()] == ["lock"]

    refuses("FERRY_CACHE_SIZE", "status", FERRY_CACHE_SIZE="1T", **place)
    refuses("FERRY_CACHE_DIR", "status", HOME="")
    cache.chmod(0o755)
    for verb in "status", "clear", "verify":
        refuses("chmod 700", verb, **place)
    cache.chmod(0o700)
    shutil.move(cache, folder / "elsewhere")
    cache.symlink_to(folder / "elsewhere")
    refuses("symbolic link", "status", **place)
    cache.unlink()
    cache.write_text("no directory\n")
    refuses("no directory", "status", **place)
