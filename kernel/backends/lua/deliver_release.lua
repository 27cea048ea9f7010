#!lua flags=allow-oom
-- Give leased deliveries back (shutdown): due again at once, no attempt is counted.
-- ARGV: now ('' = Redis TIME) (member token)*        Returns the number given back
local now, count = tonumber(ARGV[1]) or redis_ms(), 0
for i = 2, #ARGV, 2 do
  local key = P .. 'delivery:' .. ARGV[i]
  local v = redis.call('HMGET', key, 'token', 'status', 'recorded')
  if v[1] == ARGV[i + 1] and v[2] == 'pending' and v[3] ~= ARGV[i + 1] then
    redis.call('HINCRBY', key, 'token', 1)
    redis.call('HDEL', key, 'leased_until')
    -- Its lease had ended, and it waits in its receiver's lane again: a second place there would send it twice.
    if not redis.call('LPOS', P .. 'deliver_lane:' .. receiver_of_delivery(ARGV[i]), ARGV[i]) then
      redis.call('ZADD', P .. 'due', int(now), ARGV[i])
    end
    wake('deliver')
    count = count + 1
  end
end
return count
