#!lua flags=allow-oom
-- Forget the batch in flight: its rows are no longer what its token stood for.
-- ARGV: token        Returns 1 if it was in flight, else 0
local ship = P .. 'ship'
if redis.call('HGET', ship, 'token') ~= ARGV[1] then return 0 end
return redis.call('DEL', ship)
