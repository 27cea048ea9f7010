#!lua flags=allow-oom
-- Move documents whose time has come from the delay set to their lanes.
-- ARGV: now limit        Returns how many moved
local now, moved = tonumber(ARGV[1]), 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', P .. 'delayed', id)
  local status = redis.call('HGET', doc(id), 'status')
  if status == 'scheduled' then
    redis.call('HSET', doc(id), 'status', 'queued', 'queued_at', int(now))
    push(id, false)
    emit(id, 'queued', redis_ms())
  elseif status == 'queued' then
    push(id, true)
  end
  moved = moved + 1
end
return moved
