#!lua flags=allow-oom
-- Confirm events that are stored, then trim the stream. A document that has ended, whose newest row is stored (and not in
-- quarantine) and that owes no delivery starts to expire. Repeating it changes nothing.
-- ARGV: last_id ('' leaves the stream as it is) id_after_it ttl_s (id seq)*
-- Returns how many documents began to expire
local last, expiring = ARGV[1], 0
for i = 4, #ARGV, 2 do
  local id, seq = ARGV[i], ARGV[i + 1]
  local v = redis.call('HMGET', doc(id), 'status', 'seq', 'delivery_status', 'kept_back')
  local settled = TERMINAL[v[1]] and v[2] == seq and v[3] ~= 'pending' and v[4] ~= seq
  if settled and redis.call('EXPIRE', doc(id), ARGV[3], 'NX') == 1 then
    redis.call('EXPIRE', P .. 'job:' .. id, ARGV[3])
    expiring = expiring + 1
  end
end
if last ~= '' then
  redis.call('XTRIM', P .. 'events', 'MINID', '=', ARGV[2])
  if redis.call('HGET', P .. 'ship', 'stored') == last then redis.call('HDEL', P .. 'ship', 'stored') end
end
return expiring
