#!lua flags=allow-oom
-- Make a batch of events the one in flight, so that its token and its rows stay together whatever dies meanwhile.
-- Refused when another batch is in flight, or when the batch's first event has been shipped since it was read.
-- ARGV: token first_id last_id count        Returns 1 | 0
local ship = P .. 'ship'
if redis.call('EXISTS', ship) == 1 then return 0 end
local head = redis.call('XRANGE', P .. 'events', '-', '+', 'COUNT', 1)[1]
if not head or head[1] ~= ARGV[2] then return 0 end
redis.call('HSET', ship, 'token', ARGV[1], 'first_id', ARGV[2], 'last_id', ARGV[3], 'count', ARGV[4])
return 1
