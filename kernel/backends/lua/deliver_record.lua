#!lua flags=allow-oom
-- Write down what an attempt came to: the delivery, the document's row and the log line in one step.
-- ARGV: member token outcome (pending|delivered|dead) now ('' = Redis TIME) next_at ('' unless pending) keep_ms line
-- Returns ok | stale
local member, token, outcome, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]) or redis_ms()
local key = P .. 'delivery:' .. member
local v = redis.call('HMGET', key, 'token', 'status', 'recorded', 'document_id', 'run')
if v[3] == token then return 'ok' end
if v[1] ~= token or v[2] ~= 'pending' then return 'stale' end

local attempts = redis.call('HINCRBY', key, 'attempts', 1)
redis.call('HSET', key, 'recorded', token, 'status', outcome)
redis.call('HDEL', key, 'leased_until')
if outcome == 'pending' then
  redis.call('ZADD', P .. 'due', ARGV[5], member)
else
  redis.call('ZREM', P .. 'due', member)
  redis.call('PEXPIRE', key, ARGV[6])
end
redis.call('XADD', P .. 'events', '*', 'w', ARGV[7])

-- A later run of the document has a delivery of its own: this one no longer shows in its row.
if redis.call('HGET', doc(v[4]), 'run') == v[5] then
  redis.call('HSET', doc(v[4]), 'delivery_status', outcome, 'delivery_attempts', attempts)
  if outcome == 'pending' then
    redis.call('HSET', doc(v[4]), 'delivery_next', ARGV[5])
  else
    redis.call('HDEL', doc(v[4]), 'delivery_next')
    emit(v[4], outcome == 'dead' and 'delivery_dead' or 'delivered', now)
  end
end
return 'ok'
