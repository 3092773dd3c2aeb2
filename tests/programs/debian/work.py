"""Python as scripts use it: classes, generators, comprehension, regular expressions, sorting, threads, numbers."""
import collections
import dataclasses
import functools
import heapq
import io
import itertools
import json
import re
import sys
import textwrap
import threading
import zlib


@dataclasses.dataclass(order=True)
class Item:
    weight: float
    name: str = dataclasses.field(compare=False)


def read(path):
    with open(path) as file:
        return [line.rstrip("\n") for line in file]


@functools.lru_cache(maxsize=None)
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - part, part) for part in range(1, min(n, largest) + 1))


def primes():
    found = {}
    for n in itertools.count(2):
        if n not in found:
            yield n
            found[n * n] = [n]
        else:
            for prime in found.pop(n):
                found.setdefault(n + prime, []).append(prime)


def queens(n, row=0, columns=frozenset(), up=frozenset(), down=frozenset()):
    if row == n:
        return 1
    return sum(queens(n, row + 1, columns | {c}, up | {row + c}, down | {row - c})
               for c in range(n) if c not in columns and row + c not in up and row - c not in down)


def main():
    words, numbers = read(sys.argv[1]), [int(n) for n in read(sys.argv[2])]
    print(collections.Counter(w[0] for w in words).most_common(5))
    heap = [Item(n * 0.5, w) for n, w in zip(numbers, words)]
    heapq.heapify(heap)
    print([heapq.heappop(heap).name for _ in range(5)])
    print(partitions(60, 60), list(itertools.islice(primes(), 200))[-1], queens(6))
    matrix = [[(i * j) % 7 for j in range(25)] for i in range(25)]
    product = [[sum(a * b for a, b in zip(row, column)) for column in zip(*matrix)] for row in matrix]
    print(sum(map(sum, product)), json.loads(json.dumps(product)) == product)
    print(len(re.findall(r"\b(\w)\w*\1\b", " ".join(words))), textwrap.shorten(" ".join(words), 50))
    totals = []
    lock = threading.Lock()

    def add(part):
        with lock:
            totals.append(sum(part))

    threads = [threading.Thread(target=add, args=(numbers[i::4],)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sum(totals) == sum(numbers), zlib.adler32("".join(words).encode()))
    out = io.StringIO()
    for value in (1 / 3, 1e-7, 123456789.123, float("inf"), -0.0, 2**70, 0x1F, True):
        print(f"{value!r:>25} {value:+.3e}", file=out)
    print(out.getvalue(), end="")
    try:
        {}["missing"]
    except KeyError as error:
        print("caught", repr(error))


main()
