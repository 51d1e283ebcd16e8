-- Reads entries of the change log with their records, in one moment.
-- KEYS: changes, records, floor. ARGV: after, limit.
local floor = redis.call('GET', KEYS[3])
if floor and tonumber(ARGV[1]) < tonumber(floor) then return {'truncated', floor} end
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
local records = {}
for i = 1, #entries, 3000 do
  local seqs = {}
  for j = i, math.min(i + 2999, #entries) do
    seqs[#seqs + 1] = string.match(entries[j][1], '^%d+')
  end
  for _, text in ipairs(redis.call('HMGET', KEYS[2], unpack(seqs))) do
    records[#records + 1] = text
  end
end
return {'ok', entries, records}
