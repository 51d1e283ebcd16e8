-- Applies one batch whole or not at all. Everything is checked first; after the
-- first write no command can fail on its data. KEYS holds every key that is
-- touched; in the batch, keys are numbers into it. Answers are arrays:
-- {'ok', revision, added, removed, added, …}, {'conflict', list, n},
-- {'unique', n, holder}, {'nogroup', n}, {'missing', n, …}; n counts from 1.
local b = cmsgpack.unpack(ARGV[1])
local REV, CHANGES, LOGGED, FLOOR = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local PIECE = 3000 -- unpack fails above some 8000 values

local call = redis.call

-- pieces calls f with the values of a list, some thousand at a time.
local function pieces(list, f)
  for i = 1, #list, PIECE do
    f(unpack(list, i, math.min(i + PIECE - 1, #list)))
  end
end

local function keysof(list)
  local out = {}
  for i = 1, #list do out[i] = KEYS[list[i]] end
  return out
end

-- Records that must not exist, and records that must, in a version or any.
local found = 0
local absent = keysof(b.absent)
pieces(absent, function(...) found = found + call('EXISTS', ...) end)
if found > 0 then
  for i = 1, #absent do
    if call('EXISTS', absent[i]) == 1 then return {'conflict', 'absent', i} end
  end
end
for i = 1, #b.expect, 2 do
  -- The digits of the version are followed by \""}}.
  local version = call('GETRANGE', KEYS[b.expect[i]], -21, -6)
  local want = b.expect[i + 1]
  if version == '' or (want ~= '' and want ~= version) then
    return {'conflict', 'expect', (i + 1) / 2}
  end
end

-- Unique keys.
local holders = {}
pieces(keysof(b.held), function(...)
  local values = call('MGET', ...)
  for i = 1, #values do holders[#holders + 1] = values[i] end
end)
local releases = #b.release
for i = 1, releases do
  if holders[i] ~= b.release[i] then return {'conflict', 'release', i} end
end
local taken = {}
for i = 1, #b.claim, 2 do
  local n = (i + 1) / 2
  local holder, id = holders[releases + n], b.claim[i]
  if holder ~= id then
    if holder and b.claim[i + 1] == 0 then return {'unique', n, holder} end
    taken[#taken + 1] = KEYS[b.held[releases + n]]
    taken[#taken + 1] = id
  end
end

-- Members that must exist.
local need = keysof(b.need)
found = 0
pieces(need, function(...) found = found + call('EXISTS', ...) end)
if found < #need then
  local missing = {'missing'}
  for i = 1, #need do
    if call('EXISTS', need[i]) == 0 then missing[#missing + 1] = i end
  end
  return missing
end

-- What is left of the member changes without their no-ops. A change is
-- {id, record or 0, users, subgroups, ids, adds, kinds, as user, as group}: the
-- first adds of ids are added, as kinds says, 1 a user and 2 a group; the rest
-- is removed. The last two are the keys of the ids' own sets of groups, or 0.
local effects, answer, logged = {}, {}, 0
local delta = {} -- by number of key: how many edges come and go there
local function scores(key, ids)
  local out = {}
  pieces(ids, function(...)
    local s = call('ZMSCORE', key, ...)
    for i = 1, #s do out[#out + 1] = s[i] end
  end)
  return out
end
local SIDE = {'user', 'group'}
for n = 1, #b.members do
  local c = b.members[n]
  local size = 0
  if c[2] ~= 0 then
    size = call('STRLEN', KEYS[c[2]])
    if size == 0 then return {'nogroup', n} end
  end
  local ids, adds, kinds = c[5], c[6], c[7]
  local e = {change = c, size = size, add = {{}, {}}, rem = {{}, {}}, added = {}, removed = {}, link = {}, unlink = {}}
  if #ids > 0 then
    local isin = {scores(KEYS[c[3]], ids), scores(KEYS[c[4]], ids)}
    for i = 1, #ids do
      local id = ids[i]
      local side = (isin[1][i] and 1) or (isin[2][i] and 2)
      if i <= adds and not side then
        side = kinds[i]
        local add = e.add[side]
        add[#add + 1] = '0'
        add[#add + 1] = id
        e.added[#e.added + 1] = SIDE[side] .. ':' .. id
        local own = c[7 + side][i]
        e.link[#e.link + 1] = own
        delta[own] = (delta[own] or 0) + 1
        delta[c[2 + side]] = (delta[c[2 + side]] or 0) + 1
      elseif i > adds and side then
        local rem = e.rem[side]
        rem[#rem + 1] = id
        e.removed[#e.removed + 1] = SIDE[side] .. ':' .. id
        local own = c[7 + side][i]
        e.unlink[#e.unlink + 1] = own
        delta[own] = (delta[own] or 0) - 1
        delta[c[2 + side]] = (delta[c[2 + side]] or 0) - 1
      end
    end
  end
  answer[#answer + 1] = #e.added
  answer[#answer + 1] = #e.removed
  if #e.added + #e.removed > 0 then
    effects[#effects + 1] = e
    logged = logged + math.ceil((#e.added + #e.removed) / b.piece)
  end
end

-- No edge may be left at what is deleted.
for n = 1, #b.edgeless do
  for _, key in ipairs(b.edgeless[n]) do
    if call('ZCARD', KEYS[key]) + (delta[key] or 0) ~= 0 then return {'conflict', 'edgeless', n} end
  end
end

local current = tonumber(call('GET', REV) or '0')
logged = logged + #b.events
local changed = logged > 0 or b.changed == 1
local function effective(list, wanted)
  for i = 1, #list, 2 do
    if not changed then
      changed = (call('ZSCORE', KEYS[list[i]], list[i + 1]) and 1 or 0) == wanted
    end
  end
end
effective(b.unindex, 1)
effective(b.index, 0)
local function done(revision)
  local out = {'ok', string.format('%.0f', revision)}
  for i = 1, #answer do out[i + 2] = answer[i] end
  return out
end
if not changed then
  -- WAIT waits for this connection's last write, so a repeated batch writes too.
  if b.wait == 1 and current > 0 then call('SET', REV, string.format('%.0f', current)) end
  return done(current)
end
local revision = current + math.max(logged, 1)
local digits = string.format('%016.0f', revision)
local ending = digits .. '\\""}}'

-- From here on only writes. The log is first: XADD refuses an id that is not
-- above the last one, which would mean that the revision was lost.
local texts = {}
for i = 1, #b.put, 2 do texts[(i + 1) / 2] = b.put[i + 1] .. ending end
local seq = current
local tag = 'W/"' .. digits .. '"'
local function log(kind, type, id, ...)
  seq = seq + 1
  local s = string.format('%.0f', seq)
  call('XADD', CHANGES, s .. '-0', 'type', type, 'kind', kind, 'id', id, 'version', tag,
    'time', b.time, 'actor', b.actor, ...)
  return s
end
local bodies = {}
for i = 1, #b.events do
  local e = b.events[i]
  local s
  if e[4] == '' then s = log(e[2], e[1], e[3]) else s = log(e[2], e[1], e[3], 'changed', e[4]) end
  if e[5] > 0 then
    bodies[#bodies + 1] = s
    bodies[#bodies + 1] = texts[e[5]]
  end
end
for _, e in ipairs(effects) do
  local a, r = 1, 1
  while a <= #e.added or r <= #e.removed do
    local lasta = math.min(#e.added, a + b.piece - 1)
    local lastr = math.min(#e.removed, r + b.piece - 1 - (lasta - a + 1))
    local fields = {}
    if lasta >= a then
      fields[1] = 'added'
      fields[2] = '["' .. table.concat(e.added, '","', a, lasta) .. '"]'
    end
    if lastr >= r then
      fields[#fields + 1] = 'removed'
      fields[#fields + 1] = '["' .. table.concat(e.removed, '","', r, lastr) .. '"]'
    end
    log('group', b.membersType, e.change[1], unpack(fields))
    a, r = lasta + 1, lastr + 1
  end
end
pieces(bodies, function(...) call('HSET', LOGGED, ...) end)
call('SET', REV, string.format('%.0f', revision))

for i = 1, #texts do call('SET', KEYS[b.put[2 * i - 1]], texts[i]) end
for _, l in ipairs(b.list) do
  pieces(l[2], function(...) call('ZADD', KEYS[l[1]], ...) end)
end
for _, e in ipairs(effects) do
  local c = e.change
  for side = 1, 2 do
    pieces(e.add[side], function(...) call('ZADD', KEYS[c[2 + side]], ...) end)
    pieces(e.rem[side], function(...) call('ZREM', KEYS[c[2 + side]], ...) end)
  end
  for _, key in ipairs(e.link) do call('ZADD', KEYS[key], '0', c[1]) end
  for _, key in ipairs(e.unlink) do call('ZREM', KEYS[key], c[1]) end
  if c[2] ~= 0 then
    local tail = b.time .. '","version":"W/\\"' .. ending
    call('SETRANGE', KEYS[c[2]], e.size - #tail, tail)
  end
end
pieces(keysof(b.delete), function(...) call('DEL', ...) end)
for _, l in ipairs(b.unlist) do
  pieces(l[2], function(...) call('ZREM', KEYS[l[1]], ...) end)
end
pieces(keysof(b.free), function(...) call('DEL', ...) end)
pieces(taken, function(...) call('MSET', ...) end)
for i = 1, #b.unindex, 2 do call('ZREM', KEYS[b.unindex[i]], b.unindex[i + 1]) end
for i = 1, #b.index, 2 do call('ZADD', KEYS[b.index[i]], '0', b.index[i + 1]) end

-- Trims the log, and remembers the last entry that was trimmed: Redact leaves
-- gaps, so the first entry that is left does not tell. Work per commit is
-- bounded; a log that is far too long shrinks over several.
if logged == 0 then return done(revision) end
local excess = call('XLEN', CHANGES)
excess = excess > b.limit + b.slack and excess - b.limit or 0
local function old(entry)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'time' then return fields[i + 1] < b.cutoff end
  end
end
local last
local budget, peek = 10000 + 2 * logged, 1
while budget > 0 and (excess > 0 or b.cutoff ~= '') do
  local entries = call('XRANGE', CHANGES, '-', '+', 'COUNT', excess > 0 and math.min(excess, 200) or peek)
  local n = #entries
  if excess == 0 then
    n = 0
    while n < #entries and old(entries[n + 1]) do n = n + 1 end
  end
  if n == 0 then break end
  local gone = {}
  for i = 1, n do gone[i] = string.match(entries[i][1], '^%d+') end
  last = gone[n]
  call('HDEL', LOGGED, unpack(gone))
  call('XTRIM', CHANGES, 'MINID', string.format('%.0f-0', tonumber(last) + 1))
  if excess > 0 then excess = excess - n elseif n < #entries then break end
  budget, peek = budget - n, 200
end
if last then call('SET', FLOOR, last) end
return done(revision)
