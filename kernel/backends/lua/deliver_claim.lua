#!lua flags=allow-oom
-- Hand out due deliveries under a lease, receiver by receiver in turn: a slow one holds up nobody but itself.
-- What is due moves from the time set into a lane per receiver; a lease puts it back into the time set.
-- ARGV: now ('' = Redis TIME) want lease_ms room request_id (receiver load)*
-- Returns {now, next due time or '', {{member, token, receiver, document_id, run, user, type, callback, attempts, created_at}*}}
local now, want, lease, room = tonumber(ARGV[1]) or redis_ms(), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local memo = P .. 'deliver_claim:' .. ARGV[5]
local PROMOTE = 500
local load, answer = {}, {}
for i = 6, #ARGV, 2 do load[ARGV[i]] = tonumber(ARGV[i + 1]) end

local function delivery(member) return P .. 'delivery:' .. member end
local function lane(receiver) return P .. 'deliver_lane:' .. receiver end

local function promote()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', int(now), 'LIMIT', 0, PROMOTE)) do
    local known = redis.call('HMGET', delivery(member), 'status', 'callback')
    if known[1] == 'pending' then
      local receiver = receiver_of(known[2])
      if redis.call('RPUSH', lane(receiver), member) == 1 then redis.call('RPUSH', P .. 'deliver_ring', receiver) end
      redis.call('HSET', delivery(member), 'due_at', redis.call('ZSCORE', P .. 'due', member))
    end
    redis.call('ZREM', P .. 'due', member)
  end
end

local function hand_out(member, token)
  local fields = redis.call('HMGET', delivery(member), 'document_id', 'run', 'user', 'type', 'callback', 'attempts',
    'created_at')
  table.insert(fields, 1, receiver_of(fields[5]))
  table.insert(fields, 1, token)
  table.insert(fields, 1, member)
  answer[#answer + 1] = fields
end

local function serve(receiver)
  local member = redis.call('LPOP', lane(receiver))
  if not member or redis.call('HGET', delivery(member), 'status') ~= 'pending' then return end
  local token = int(redis.call('HINCRBY', delivery(member), 'token', 1))
  redis.call('HSET', delivery(member), 'leased_until', int(now + lease))
  redis.call('ZADD', P .. 'due', int(now + lease), member)
  redis.call('RPUSH', memo, member, token)
  load[receiver] = (load[receiver] or 0) + 1
  hand_out(member, token)
end

local function turn()
  local skipped = 0
  while #answer < want and skipped < redis.call('LLEN', P .. 'deliver_ring') do
    local receiver = redis.call('LPOP', P .. 'deliver_ring')
    if (load[receiver] or 0) < room then
      serve(receiver)
      skipped = 0
    else
      skipped = skipped + 1
    end
    if redis.call('LLEN', lane(receiver)) > 0 then redis.call('RPUSH', P .. 'deliver_ring', receiver) end
  end
end

local repeated = redis.call('LRANGE', memo, 0, -1)
for i = 1, #repeated, 2 do
  local known = redis.call('HMGET', delivery(repeated[i]), 'token', 'status')
  if known[1] == repeated[i + 1] and known[2] == 'pending' then hand_out(repeated[i], repeated[i + 1]) end
end
if #repeated == 0 then
  promote()
  turn()
  if #answer > 0 then redis.call('PEXPIRE', memo, 30000) end
end
local next_due = redis.call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
return {int(now), next_due[2] or '', answer}
