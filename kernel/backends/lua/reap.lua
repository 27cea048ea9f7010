#!lua flags=allow-oom
-- Rescue documents whose lease ran out. Only a run that had started counts as a crash; too many crashes set it aside.
-- ARGV: limit max_crashes error_json lease_ms        Returns {rescued ids..., set aside ids...} as two counted parts
local rescued, set_aside, now = {}, {}, redis_ms()
-- A lease longer than any was given before the clock was set back: without this its document would wait for that long.
local latest = int(now + ARGV[4])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '(' .. latest, '+inf', 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', P .. 'leases', latest, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
  unlease(id)
  local v = redis.call('HMGET', doc(id), 'status', 'token', 'started_token')
  if v[1] then redis.call('HINCRBY', doc(id), 'token', 1) end -- a hash that is gone must not come back as a stump
  if v[1] == 'rendering' and v[2] == v[3] and redis.call('HINCRBY', doc(id), 'crashes', 1) >= tonumber(ARGV[2]) then
    redis.call('HSET', doc(id), 'error', ARGV[3])
    finish(id, 'failed', now)
    set_aside[#set_aside + 1] = id
  elseif v[1] == 'rendering' then
    redis.call('HSET', doc(id), 'status', 'queued')
    push(id, true)
    emit(id, 'rescued', now)
    rescued[#rescued + 1] = id
  elseif v[1] == 'queued' then
    push(id, true)
    rescued[#rescued + 1] = id
  end
end
return {rescued, set_aside}
