"""What the bench runs: short processes, loops, and real programs with data made for them."""
import collections
import os
import pathlib
import random
import subprocess

# The command: argument list, paths as in the guest. `native`: the program's path on this machine, where that is another.
Workload = collections.namedtuple("Workload", "group name command native", defaults=[None])

LOOP_SCALE = "100"  # of kernels.c: some 100 ms each, natively


def workloads(kernels, data):
    python, bash = "/usr/bin/python3", "/bin/bash"
    yield Workload("short", "true", ["/bin/true"])
    yield Workload("short", "bash -c :", [bash, "-c", ":"])
    # $SPAWN is how the peer starts a child: binfmt_misc would do the same for it.
    yield Workload("short", "200 spawns", [bash, "-c", "for ((i = 0; i < 200; i++)); do $SPAWN/bin/true; done"])
    yield Workload("short", "python3 import json", [python, "-c", "import json"])
    for name in kernels:
        yield Workload("loops", name, ["KERNELS", name, LOOP_SCALE])
    yield Workload("real", "bash loop", [bash, "-c", "for ((i = 0; i < 120000; i++)); do ((s = s * 3 + i & 65535)); done; echo $s"])
    yield Workload("real", "bash strings", [bash, "-c", "s=; for i in {1..8000}; do s=\"$s${i:0:2}x\"; t=${s//1x/y}; s=${t:0:400}; done; echo ${#s} $s"])
    yield Workload("real", "bash subshells", [bash, "-c", "for ((i = 0; i < 150; i++)); do x=$(echo $i); ((s += x)); done; echo $s"])
    yield Workload("real", "python3 sums", [python, "-c", "print(sum(i * i % 7 for i in range(1500000)))"])
    yield Workload("real", "python3 objects", [python, "-c", PYTHON_OBJECTS])
    yield Workload("real", "python3 json, re", [python, "-c", PYTHON_TEXT, f"{data}/text"])
    yield Workload("real", "perl hashes", ["/usr/bin/perl", "-e", PERL_WORK])
    yield Workload("real", "perl lines", ["/usr/bin/perl", "-ne", PERL_LINES, f"{data}/text"])
    yield Workload("real", "gzip -6", ["/bin/gzip", "-6nc", f"{data}/text"])
    yield Workload("real", "gzip -d", ["/bin/gzip", "-dc", f"{data}/text.gz"])
    yield Workload("real", "bzip2", ["/bin/bzip2", "-c", f"{data}/small"])
    yield Workload("real", "xz -1", ["/usr/bin/xz", "-1cT1", f"{data}/small"])
    yield Workload("real", "xz -d", ["/usr/bin/xz", "-dcT1", f"{data}/text.xz"])
    yield Workload("real", "zstd -5", ["/usr/bin/zstd", "-5qc", "--single-thread", f"{data}/text"])
    yield Workload("real", "zstd -d", ["/usr/bin/zstd", "-dqc", f"{data}/text.zst"])
    yield Workload("real", "sqlite3", ["/usr/bin/sqlite3", ":memory:", SQL])
    for level in ("-O0", "-O2"):
        yield Workload("real", f"gcc {level}", ["/usr/lib/gcc/aarch64-linux-gnu/12/cc1", "-quiet", level, "-o", "/dev/null", f"{data}/source.c"],
                       native="/usr/lib/gcc/x86_64-linux-gnu/12/cc1")
    yield Workload("real", "sha256sum", ["/usr/bin/sha256sum", f"{data}/text"])
    yield Workload("real", "sort", ["/usr/bin/sort", f"{data}/text"])
    yield Workload("real", "sed", ["/bin/sed", "-E", "s/([a-z]+) ([0-9]+)/\\2 \\1/g;s/a/A/3", f"{data}/text"])
    yield Workload("real", "grep", ["/bin/grep", "-cE", "(key|word)[0-9]*7 .*e", f"{data}/text"])
    yield Workload("real", "gawk", ["/usr/bin/gawk", "{ c[$1]++; n += NF; s += length($0) } END { print n, s, length(c) }", f"{data}/text"])
    yield Workload("real", "tar", ["/bin/tar", "-C", data, "-cf", "-", "tree"])


PYTHON_OBJECTS = """
class Node:
    def __init__(self, key): self.key, self.left, self.right = key, None, None
def insert(node, key):
    while node.key != key:
        side = 'left' if key < node.key else 'right'
        if getattr(node, side) is None: setattr(node, side, Node(key))
        node = getattr(node, side)
root, key = Node(500), 1
for i in range(60000):
    key = key * 1103515245 + 12345 & 0x7fffffff
    insert(root, key % 5000)
def depth(n): return 0 if n is None else 1 + max(depth(n.left), depth(n.right))
words = sorted({str(i * 7919 % 10007): i for i in range(20000)}.items())
print(depth(root), words[77], ''.join(w[0] for w in words[:20]))
"""
PYTHON_TEXT = """
import json, re, sys, collections
text = open(sys.argv[1]).read()[:1500000]
counts = collections.Counter(re.findall(r'[a-z]+', text))
data = json.dumps([{'word': w, 'count': c} for w, c in counts.most_common(2000)])
print(len(data), len(json.loads(data)), len(re.sub(r'(\\d)(\\d)', r'\\2\\1', text)))
"""
PERL_WORK = ("my %h; for my $i (1..300000) { my $k = 'k' . ($i * 7919 % 5003); $h{$k} .= chr(97 + $i % 26); } my $t = join '', map { $h{$_} } sort keys %h; "
             "my $n = () = $t =~ /[aeiou][^aeiou]+/g; $t =~ tr/a-y/b-z/; print length($t), ' ', $n, ' ', substr($t, 100, 20), qq(\\n);")
PERL_LINES = "$n += () = /\\b[a-m]\\w*e\\b/g; $s{length $1}++ if /(key\\d+)/; END { print qq($n @s{sort keys %s}\\n) }"
SQL = """
create table t(a integer primary key, b integer, c text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000) insert into t select i, i * 7919 % 10007, 'text ' || i % 997 from n;
create index t_b on t(b);
select count(*), sum(length(c)) from t where b between 100 and 5000;
select c, count(*), avg(b) from t group by c order by 2 desc, 1 limit 5;
select sum(x.a * y.b) from t x join t y on x.b = y.a where x.a % 3 = 0;
"""
C_FUNCTION = """
struct s%(i)d { int key; double weight; struct s%(i)d* next; unsigned char name[%(i)d + 8]; };
static int f%(i)d(struct s%(i)d* head, const int* table, int n) {
  int best = -1, seen = 0;
  for (struct s%(i)d* at = head; at != 0; at = at->next) {
    switch ((at->key + %(i)d) %% 7) {
      case 0: at->weight *= 1.5; break;
      case 1: for (int i = 0; i < n; i++) seen += table[i] * at->key; break;
      case 2: if (at->weight > best) best = (int)at->weight; break;
      case 3: at->name[seen & 7] ^= (unsigned char)(seen >> 3); break;
      default: seen ^= best << (%(i)d %% 5);
    }
  }
  return best > 0 ? best + seen : seen / (n | 1);
}
int g%(i)d(int n) {
  struct s%(i)d items[16];
  int table[16], sum = 0;
  for (int i = 0; i < 16; i++) {
    table[i] = i * n + %(i)d;
    items[i].key = table[i] * 31;
    items[i].weight = 1.0 / (i + 1) + n;
    items[i].next = i ? &items[i - 1] : 0;
    for (unsigned j = 0; j < sizeof items[i].name; j++) items[i].name[j] = (unsigned char)(i + j);
  }
  for (int i = 0; i < n; i++) sum += f%(i)d(&items[15], table, i %% 16);
  return sum;
}
"""


def make_data(directory):
    rng = random.Random(11)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(3000)]
    lines = [" ".join(rng.choices(vocabulary, k=6)) + f" key{rng.randint(0, 9999)} {rng.randint(0, 10**6)}" for _ in range(100000)]
    text = "\n".join(lines) + "\n"
    path = pathlib.Path(directory)
    (path / "text").write_text(text)
    (path / "small").write_text(text[:1000000])
    (path / "source.c").write_text("".join(C_FUNCTION % {"i": i} for i in range(12)))
    for command in (["gzip", "-6nk"], ["xz", "-1kT1"], ["zstd", "-5qk"]):
        # Without the program there is no workload that reads what it writes.
        if any(os.access(f"{folder}/{command[0]}", os.X_OK) for folder in ("/bin", "/usr/bin")):
            subprocess.run(command + [str(path / "text")], check=True)
    for i in range(300):
        file = path / "tree" / f"d{i % 20}" / f"f{i}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text[i * 1000:i * 1000 + 9000])
    for file in path.rglob("*"):
        os.utime(file, (1.6e9, 1.6e9))
