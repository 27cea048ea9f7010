#!lua flags=allow-oom
-- Record that a part of the batch in flight was refused, and where it is cut: it is not to be tried in one piece again.
-- ARGV: token part cut        Returns 1 | 0 if another batch is in flight
local ship = P .. 'ship'
if redis.call('HGET', ship, 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', ship, 'split:' .. ARGV[2], ARGV[3])
return 1
