#!lua flags=allow-oom
-- Confirm events that ClickHouse has: per document the highest seq, then the trimmed stream and the end of the batch.
-- A document that has ended, is fully shipped and owes no delivery starts to expire. Repeating it changes nothing.
-- ARGV: token after_last_id ('' leaves the stream and the batch as they are) ttl_s (id seq)*
-- Returns how many documents began to expire
local ttl, expiring = tonumber(ARGV[3]), 0
for i = 4, #ARGV, 2 do
  local id, seq = ARGV[i], tonumber(ARGV[i + 1])
  local v = redis.call('HMGET', doc(id), 'status', 'seq', 'shipped', 'delivery_status')
  if v[1] then -- a hash that is gone must not come back as a stump
    local shipped = math.max(seq, tonumber(v[3] or 0))
    if shipped ~= tonumber(v[3] or -1) then redis.call('HSET', doc(id), 'shipped', int(shipped)) end
    if TERMINAL[v[1]] and shipped == tonumber(v[2]) and v[4] ~= 'pending' and redis.call('TTL', doc(id)) < 0 then
      redis.call('EXPIRE', doc(id), ttl)
      redis.call('EXPIRE', P .. 'job:' .. id, ttl)
      expiring = expiring + 1
    end
  end
end
if ARGV[2] ~= '' then
  redis.call('XTRIM', P .. 'events', 'MINID', '=', ARGV[2])
  if redis.call('HGET', P .. 'ship', 'token') == ARGV[1] then redis.call('DEL', P .. 'ship') end
end
return expiring
