# Associative arrays, recursion, string building and formatting over a column of numbers.
function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2) }
function reverse(s,   i, r) { for (i = length(s); i > 0; i--) r = r substr(s, i, 1); return r }
{ n = $1; bucket[n % 17]++; sum += n; text = text reverse(n) (NR % 10 ? " " : "\n") }
END {
  for (i = 0; i < 17; i++) printf "%d:%d ", i, bucket[i]
  printf "\n%.6f %s\n", sum / NR, fibonacci(15)
  print text
  while ("date -u -d @0 +%F" | getline day) print day
  split("the quick brown fox", w, " "); for (i = 1; i in w; i++) printf "%s%s", toupper(substr(w[i], 1, 1)) substr(w[i], 2), i < 4 ? "_" : "\n"
}
