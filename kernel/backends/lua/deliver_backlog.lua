#!lua flags=no-writes
-- Count what waits. ARGV: now ('' = Redis TIME)        Returns {pending, due, age in ms of the oldest that is due and unsent}
local now = tonumber(ARGV[1]) or redis_ms()
local due = redis.call('ZCOUNT', P .. 'due', '-inf', int(now))
local pending, oldest = redis.call('ZCARD', P .. 'due'), now
local first = redis.call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
if first[2] then oldest = math.min(oldest, tonumber(first[2])) end
local receivers = redis.call('LRANGE', P .. 'deliver_ring', 0, -1)
for _, receiver in ipairs(redis.call('ZRANGE', P .. 'shut', 0, -1)) do receivers[#receivers + 1] = receiver end
for _, receiver in ipairs(receivers) do
  local lane = P .. 'deliver_lane:' .. receiver
  local length = redis.call('LLEN', lane)
  pending, due = pending + length, due + length
  local head = redis.call('HGET', P .. 'delivery:' .. (redis.call('LINDEX', lane, 0) or ''), 'due_at')
  oldest = math.min(oldest, tonumber(head or now))
end
return {pending, due, int(now - oldest)}
