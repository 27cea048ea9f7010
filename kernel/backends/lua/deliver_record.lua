#!lua flags=allow-oom
-- Write down what attempts came to: the deliveries, their documents' rows and the log lines in one step, and how their
-- receivers do.
-- ARGV: keep_ms now ('' = Redis TIME) requests per_cent open_ms longest_ms (of the circuit: see note), then per attempt:
--   member token outcome (pending | delivered | dead) next_at ('' unless pending) sign (ok | failed | '': none was seen)
--   calm_ms (how long the receiver asks not to be called) line
-- Returns per attempt {ok | stale, milliseconds since when its receiver has only failed, times it has}
local keep, now = ARGV[1], tonumber(ARGV[2]) or redis_ms()
local requests, per_cent, open, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local SLOT, SLOTS, REMEMBERED = 30000, 10, 10 * 86400000

-- A receiver's calls of the last five minutes, by slots of thirty seconds: t<slot> in all, x<slot> failed.
local function count(key, slot, failed)
  if redis.call('HINCRBY', key, 't' .. slot, 1) == 1 then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      local old = tonumber(string.match(field, '^[tx](%d+)$'))
      if old and old <= slot - SLOTS then redis.call('HDEL', key, field) end
    end
  end
  if failed then redis.call('HINCRBY', key, 'x' .. slot, 1) end
end

local function is_failing(key, slot)
  local all, failed = 0, 0
  for i = slot - SLOTS + 1, slot do
    local v = redis.call('HMGET', key, 't' .. i, 'x' .. i)
    all, failed = all + tonumber(v[1] or 0), failed + tonumber(v[2] or 0)
  end
  return all >= requests and failed * 100 >= per_cent * all
end

-- Open the circuit of a receiver that fails most calls, longer each time; half open, one failure is enough, and one
-- success closes it.
local function note(receiver, failed)
  local key, slot = P .. 'receiver:' .. receiver, math.floor(now / SLOT)
  local v = redis.call('HMGET', key, 'shut_until', 'trips')
  if not failed then
    if v[1] then forgive_receiver(receiver) end
    redis.call('HDEL', key, 'bad_since', 'bad')
    count(key, slot, false)
    redis.call('PEXPIRE', key, REMEMBERED)
    return {'ok', '0', '0'}
  end
  count(key, slot, true)
  local half_open = v[1] and tonumber(v[1]) <= now
  if half_open or not v[1] and is_failing(key, slot) then
    local trips = tonumber(v[2] or 0)
    redis.call('HSET', key, 'trips', trips + 1, 'shut_until', int(now + math.min(open * 2 ^ math.min(trips, 30), longest)))
  end
  redis.call('HSETNX', key, 'bad_since', int(now))
  redis.call('PEXPIRE', key, REMEMBERED)
  local bad = redis.call('HINCRBY', key, 'bad', 1)
  return {'ok', int(now - tonumber(redis.call('HGET', key, 'bad_since'))), int(bad)}
end

-- A receiver that asks for a pause gets it from all its deliveries, not from this one alone.
local function calm(receiver, ms)
  local key = P .. 'receiver:' .. receiver
  local until_ms = math.max(now + ms, tonumber(redis.call('HGET', key, 'calm_until') or 0))
  redis.call('HSET', key, 'calm_until', int(until_ms))
end

local function show(id, run, member)
  if redis.call('HGET', doc(id), 'run') == run then redis.call('HINCRBY', doc(id), 'delivery_attempts', 1) end
  local settled = show_deliveries(id, run, member)
  if settled then emit(id, settled == 'dead' and 'delivery_dead' or 'delivered', now) end
end

-- A lease that has ended may have brought its delivery back into the lane: from there it would go before its time.
local function leave_lane(member)
  local receiver = receiver_of_delivery(member)
  local lane = P .. 'deliver_lane:' .. receiver
  if redis.call('LREM', lane, 1, member) == 1 and redis.call('LLEN', lane) == 0 then
    redis.call('LREM', P .. 'deliver_ring', 1, receiver)
  end
end

local function record(member, token, outcome, next_at, sign, calm_ms, line)
  local key = P .. 'delivery:' .. member
  local v = redis.call('HMGET', key, 'token', 'status', 'recorded', 'document_id', 'run', 'leased_until', 'endpoint', 'type')
  if v[3] == token then return {'ok', '0', '0'} end
  if v[1] ~= token or v[2] ~= 'pending' then return {'stale', '0', '0'} end
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'recorded', token, 'status', outcome)
  redis.call('HDEL', key, 'leased_until')
  if tonumber(v[6] or 0) <= now then leave_lane(member) end
  if outcome == 'pending' then
    redis.call('HSET', key, 'next_at', next_at)
    redis.call('ZADD', P .. 'due', next_at, member)
  else
    redis.call('ZREM', P .. 'due', member)
    redis.call('PEXPIRE', key, keep)
  end
  redis.call('XADD', P .. 'events', '*', 'w', line)
  if v[5] == '0' then redis.call('HSET', key, 'line', line) end -- about no document: whoever asked for it reads it here
  show(v[4], v[5], member)
  if sign == '' then return {'ok', '0', '0'} end
  local receiver = v[7] or receiver_of_delivery(member)
  if tonumber(calm_ms) > 0 then calm(receiver, tonumber(calm_ms)) end
  if v[8] == 'ping' and sign == 'failed' then return {'ok', '0', '0'} end -- made by hand: no measure of its calls
  return note(receiver, sign == 'failed')
end

local answer = {}
for i = 7, #ARGV, 7 do answer[#answer + 1] = record(unpack(ARGV, i, i + 6)) end
return answer
