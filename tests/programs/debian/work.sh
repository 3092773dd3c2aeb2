# A shell script of the usual kind: functions, loops, here-documents, arithmetic, many short programs.
set -u
fail() { echo "failed: $*" >&2; exit 1; }

collatz() {
  local n=$1 steps=0
  while ((n != 1)); do
    if ((n % 2)); then ((n = 3 * n + 1)); else ((n /= 2)); fi
    ((steps++))
  done
  echo $steps
}

for n in 27 97 871; do echo "collatz $n: $(collatz $n)"; done

sieve() {
  local -a composite=()
  local i j
  for ((i = 2; i <= $1; i++)); do
    [[ ${composite[i]:-} ]] && continue
    printf '%d ' $i
    for ((j = i * i; j <= $1; j += i)); do composite[j]=1; done
  done
  echo
}
sieve 200

declare -A seen=()
while IFS=, read -r key kind value; do
  seen[$kind]=$((${seen[$kind]:-0} + ${value%.*}))
done <table.csv
for kind in $(printf '%s\n' "${!seen[@]}" | sort); do echo "$kind ${seen[$kind]}"; done

mkdir -p work && cd work || fail mkdir
for i in {1..20}; do
  cat >"file$i" <<END
number $i
square $((i * i))
END
done
grep -h square file* | cut -d' ' -f2 | sort -n | tail -3
ls | wc -l
cat file* | awk '{ s += $2 } END { print s }'
find . -name 'file1*' | sort | xargs cat | md5sum
cd .. && rm -r work
trap 'echo cleaned' EXIT
(trap 'echo inner' EXIT; exit 3) || echo "status $?"
string=$(printf '%s' {a..z} | tr a-z b-za)
echo "$string ${string:5:5} ${string/c/C}"
