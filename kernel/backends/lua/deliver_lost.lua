#!lua flags=allow-oom
-- Give up a delivery that Redis has lost and whose receiver nobody knows any more: the log line, the document's row, and
-- a hash that says so for a while.
-- ARGV: member document_id run line keep_ms        Returns 1, or 0 if Redis knows the delivery
local member, id, now = ARGV[1], ARGV[2], redis_ms()
local key = P .. 'delivery:' .. member
if redis.call('HSETNX', key, 'status', 'dead') == 0 then return 0 end
redis.call('PEXPIRE', key, ARGV[5])
redis.call('XADD', P .. 'events', '*', 'w', ARGV[4])
if redis.call('HGET', doc(id), 'run') == ARGV[3] then
  redis.call('HSET', doc(id), 'delivery_status', 'dead')
  redis.call('HDEL', doc(id), 'delivery_next')
  redis.call('PERSIST', doc(id))
  emit(id, 'delivery_dead', now)
end
return 1
