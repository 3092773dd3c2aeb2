-- What luajit is asked to do under ferry: enough of everything that its compiler makes traces of it and ferry regions of them, and
-- that the traces' code is thrown away and written anew. The same is printed with and without luajit's compiler: no sum of products
-- of fractions, which it fuses.
local works = {}

function works.strings()
  local parts, hash = {}, 0
  for i = 1, 20000 do parts[#parts + 1] = ("%d:%x;"):format(i, i * 7919 % 65536) end
  local text = table.concat(parts)
  for word in text:gmatch("%x+;") do hash = (hash * 31 + #word + word:byte()) % 1000003 end
  return #text, hash, select(2, text:upper():gsub("A%d", "")), text:reverse():find("1:", 1, true)
end

function works.tables()
  local numbers, sum = {}, 0
  for i = 1, 100000 do numbers[i] = (i * 1103515245 + 12345) % 2147483648 end
  table.sort(numbers)
  for i = 1, #numbers do sum = (sum * 33 + numbers[i]) % 4294967291 end
  local counts = {}
  for i = 1, 100000 do local key = "k" .. numbers[i] % 977; counts[key] = (counts[key] or 0) + i end
  for i = 0, 976 do sum = (sum + (counts["k" .. i] or 0) * i) % 4294967291 end
  return sum
end

function works.closures()
  local function counter(step) local n = 0; return function() n = n + step; return n end end
  local a, b, sum = counter(1), counter(3), 0
  for _ = 1, 500000 do sum = sum + a() - b() % 7 end
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  return sum, fib(24)
end

function works.objects()
  local Point = {}
  Point.__index = Point
  Point.__add = function(a, b) return setmetatable({x = a.x + b.x, y = a.y + b.y}, Point) end
  function Point:flip() self.x, self.y = self.y % 8191, self.x end
  local sum, step = setmetatable({x = 1, y = 2}, Point), setmetatable({x = 3, y = 5}, Point)
  for _ = 1, 200000 do sum = sum + step; sum:flip() end
  return sum.x, sum.y
end

function works.coroutines()
  local function squares(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end end) end
  local sum = 0
  for square in squares(40000) do sum = (sum + square) % 1000000007 end
  local ring, count = {}, 0
  for i = 1, 20 do ring[i] = coroutine.create(function(n) while true do count = (count * 7 + n + i) % 65521; n = coroutine.yield(n + i) end end) end
  local n = 0
  for i = 1, 20000 do local _, next = coroutine.resume(ring[i % 20 + 1], n); n = next % 4096 end
  return sum, count, n
end

function works.garbage()
  local list, sum = nil, 0
  for i = 1, 200000 do
    list = {next = i % 100 ~= 0 and list or nil, name = "n" .. i % 1000, value = {i, i % 7}}
    sum = sum + #list.name + list.value[2]
  end
  collectgarbage()
  return sum, collectgarbage("count") < 4096
end

function works.errors()
  local count = 0
  local function odd(v) if v % 3 == 0 then error({value = v}) elseif v % 5 == 0 then return v .. nil else return v end end
  for i = 1, 20000 do
    local kept, result = pcall(odd, i)
    count = count + (kept and 1 or type(result) == "table" and result.value % 11 or #result)
  end
  return count
end

function works.fractions()
  local x, sum, odd = 1, 0, 0
  for i = 1, 400000 do
    x = x / 3 + i
    sum = sum + math.floor(x)
    if math.sqrt(i) % 1 == 0 or x > 2 ^ 40 then odd = odd + 1 end
  end
  return ("%.17g %d %d"):format(x, sum, odd)
end

function works.bits()
  local hash = 0x12345
  for i = 1, 500000 do hash = bit.bxor(bit.rol(hash, 5), bit.tobit(i * 33), bit.rshift(hash, i % 31)) end
  return hash
end

-- Code that is thrown away when it is hot, so that other code comes to lie where it was.
function works.flushes()
  local sum = 0
  for round = 1, 40 do
    local work = loadstring(("local sum = ...; for i = 1, %d do sum = (sum * %d + i) %% %d end; return sum"):format(
      round % 8 == 0 and 2000000 or 20000, round + 2, 65521 + round))
    sum = work(sum)
    jit.flush()
  end
  return sum
end

local names = {}
for name in pairs(works) do names[#names + 1] = name end
table.sort(names)
for round = 1, 2 do
  for _, name in ipairs(names) do print(round, name, works[name]()) end
end
