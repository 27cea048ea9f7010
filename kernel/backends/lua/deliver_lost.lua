#!lua flags=allow-oom
-- Give up a delivery that Redis has lost and whose receiver nobody knows any more: the log line, the document's row, and
-- a hash that says so for a while.
-- ARGV: member document_id run line keep_ms        Returns 1, or 0 if Redis knows the delivery
local member, id, now = ARGV[1], ARGV[2], redis_ms()
local key = P .. 'delivery:' .. member
if redis.call('HSETNX', key, 'status', 'dead') == 0 then return 0 end
redis.call('PEXPIRE', key, ARGV[5])
redis.call('XADD', P .. 'events', '*', 'w', ARGV[4])
local settled = show_deliveries(id, ARGV[3], member)
if settled then
  redis.call('PERSIST', doc(id))
  emit(id, settled == 'dead' and 'delivery_dead' or 'delivered', now)
end
return 1
