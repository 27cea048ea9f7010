#!lua flags=no-writes
-- Count what waits. ARGV: now ('' = Redis TIME)
-- Returns {pending, due, age in ms of the oldest that is due and unsent, though its receiver is not left alone}
local now = tonumber(ARGV[1]) or redis_ms()
local due = redis.call('ZCOUNT', P .. 'due', '-inf', int(now))
local pending, oldest = redis.call('ZCARD', P .. 'due'), now
local first = redis.call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
if first[2] then oldest = math.min(oldest, tonumber(first[2])) end
local function count(receiver)
  local length = redis.call('LLEN', P .. 'deliver_lane:' .. receiver)
  pending, due = pending + length, due + length
end
for _, receiver in ipairs(redis.call('LRANGE', P .. 'deliver_ring', 0, -1)) do
  count(receiver)
  local head = redis.call('LINDEX', P .. 'deliver_lane:' .. receiver, 0)
  oldest = math.min(oldest, tonumber(redis.call('HGET', P .. 'delivery:' .. (head or ''), 'due_at') or now))
end
for _, receiver in ipairs(redis.call('ZRANGE', P .. 'shut', 0, -1)) do count(receiver) end
return {pending, due, int(now - oldest)}
