#!lua flags=allow-oom
-- Hand out due deliveries under a lease, receiver by receiver in turn: a slow one holds up nobody but itself.
-- What is due moves from the time set into a lane per receiver; a lease puts it back into the time set. A receiver whose
-- circuit is open, or that was called as often as it may be, leaves the ring until its time has come.
-- ARGV: now ('' = Redis TIME) want lease_ms room (of a receiver) user_room (of a user; from half of it on each receiver of
--   its gets one place) per_s (calls to a receiver, 0 for any number) request_id (receiver or user:<id>, load)*
-- Returns {now, next due time or '', {{member, token, receiver, document_id, run, user, type, callback, endpoint, attempts,
--   created_at, data, row, version}*}}; of callback and endpoint, of data and row one is '' at least.
-- `row` is the document's row with which the run ended, '' if it is not here any more; `version` the endpoint's, of a
-- callback the user's: what is known of an older one is not used.
local now, want, lease, room = tonumber(ARGV[1]) or redis_ms(), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local user_room, per_s, memo = tonumber(ARGV[5]), tonumber(ARGV[6]), P .. 'deliver_claim:' .. ARGV[7]
local PROMOTE = 500
local load, answer = {}, {}
for i = 8, #ARGV, 2 do load[ARGV[i]] = tonumber(ARGV[i + 1]) end

local function delivery(member) return P .. 'delivery:' .. member end
local function lane(receiver) return P .. 'deliver_lane:' .. receiver end
local function circuit(receiver) return P .. 'receiver:' .. receiver end

local function promote()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', int(now), 'LIMIT', 0, PROMOTE)) do
    if redis.call('HGET', delivery(member), 'status') == 'pending' then
      local receiver = receiver_of_delivery(member)
      local first = redis.call('RPUSH', lane(receiver), member) == 1
      if first and not redis.call('ZSCORE', P .. 'shut', receiver) then
        redis.call('RPUSH', P .. 'deliver_ring', receiver)
      end
      redis.call('HSET', delivery(member), 'due_at', redis.call('ZSCORE', P .. 'due', member))
    end
    redis.call('ZREM', P .. 'due', member)
  end
end

local function reopen()
  for _, receiver in ipairs(redis.call('ZRANGEBYSCORE', P .. 'shut', '-inf', int(now))) do
    redis.call('ZREM', P .. 'shut', receiver)
    if redis.call('LLEN', lane(receiver)) > 0 then redis.call('RPUSH', P .. 'deliver_ring', receiver) end
  end
end

-- Is a call under way, in any process, that finds out how the receiver is?
local function is_probed(probe)
  return probe and tonumber(redis.call('HGET', delivery(probe), 'leased_until') or 0) > now
end

-- When may this receiver be called, and by how many at once? Half open, one call finds out how it is.
local function terms(receiver)
  local v = redis.call('HMGET', circuit(receiver), 'shut_until', 'calls_until', 'calm_until', 'probe')
  local shut_until, calls_until, calm_until = tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)
  if math.max(shut_until, calm_until) > now then return math.max(shut_until, calm_until) end
  local room_at = per_s > 0 and calls_until + 1000 / per_s - 1000 or 0 -- for one more in the second's bucket
  if room_at > now then return room_at end
  if shut_until > 0 then return nil, is_probed(v[4]) and 0 or 1 end
  return nil, room
end

-- A bucket of a second's calls, as the time until which they would last (GCRA).
local function count_call(receiver)
  if per_s <= 0 then return end
  local until_ms = math.max(now, tonumber(redis.call('HGET', circuit(receiver), 'calls_until') or 0)) + 1000 / per_s
  redis.call('HSET', circuit(receiver), 'calls_until', string.format('%.3f', until_ms))
  if redis.call('PTTL', circuit(receiver)) < 0 then redis.call('PEXPIRE', circuit(receiver), 60000) end
end

local function hand_out(member, token)
  local v = redis.call('HMGET', delivery(member), 'document_id', 'run', 'user', 'type', 'callback', 'endpoint', 'attempts',
    'created_at', 'data', 'seq')
  local row = redis.call('HMGET', doc(v[1]), 'head', 'e' .. (v[10] or ''), 'head' .. v[2])
  local owner = v[6] and P .. 'endpoint:' .. v[6] or P .. 'user:' .. v[3]
  answer[#answer + 1] = {member, token, receiver_of_delivery(member), v[1], v[2], v[3], v[4], v[5] or '', v[6] or '', v[7],
    v[8], v[9] or '', row[1] and row[2] and (row[3] or row[1]) .. row[2] or '',
    redis.call('HGET', owner, 'version') or ''}
end

-- May the first in a lane go? Receivers that take their time must not fill every place of their user, nor a user with
-- many of them every place there is.
local function has_place(receiver, places)
  local head = redis.call('LINDEX', lane(receiver), 0)
  local user = 'user:' .. (head and redis.call('HGET', delivery(head), 'user') or '')
  local taken = load[user] or 0
  if 2 * taken >= user_room then places = math.min(places, 1) end
  return taken < user_room and (load[receiver] or 0) < places, user
end

local function serve(receiver, user)
  local member = redis.call('LPOP', lane(receiver))
  if not member or redis.call('HGET', delivery(member), 'status') ~= 'pending' then return end
  local token = int(redis.call('HINCRBY', delivery(member), 'token', 1))
  redis.call('HSET', delivery(member), 'leased_until', int(now + lease))
  redis.call('ZADD', P .. 'due', int(now + lease), member)
  redis.call('RPUSH', memo, member, token)
  load[receiver], load[user] = (load[receiver] or 0) + 1, (load[user] or 0) + 1
  count_call(receiver)
  if redis.call('HEXISTS', circuit(receiver), 'shut_until') == 1 then redis.call('HSET', circuit(receiver), 'probe', member) end
  hand_out(member, token)
end

local function turn()
  local skipped = 0
  while #answer < want and skipped < redis.call('LLEN', P .. 'deliver_ring') do
    local receiver = redis.call('LPOP', P .. 'deliver_ring')
    local later, places = terms(receiver)
    if later then
      redis.call('ZADD', P .. 'shut', int(math.ceil(later)), receiver)
    else
      local free, user = has_place(receiver, places)
      if free then
        serve(receiver, user)
        skipped = 0
      else
        skipped = skipped + 1
      end
      if redis.call('LLEN', lane(receiver)) > 0 then redis.call('RPUSH', P .. 'deliver_ring', receiver) end
    end
  end
end

local function next_time()
  local due, shut = redis.call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES'), redis.call('ZRANGE', P .. 'shut', 0, 0, 'WITHSCORES')
  local first = math.min(tonumber(due[2] or math.huge), tonumber(shut[2] or math.huge))
  return first < math.huge and int(first) or ''
end

local repeated = redis.call('LRANGE', memo, 0, -1)
for i = 1, #repeated, 2 do
  local known = redis.call('HMGET', delivery(repeated[i]), 'token', 'status')
  if known[1] == repeated[i + 1] and known[2] == 'pending' then hand_out(repeated[i], repeated[i + 1]) end
end
if #repeated == 0 then
  promote()
  reopen()
  turn()
  if #answer > 0 then redis.call('PEXPIRE', memo, 30000) end
end
return {int(now), next_time(), answer}
