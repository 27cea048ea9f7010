#!lua flags=allow-oom
-- Take a role that is free, prolong one that is ours.
-- ARGV: role holder ttl_ms        Returns 1 if the holder has the role now, else 0
local key = P .. 'role:' .. ARGV[1]
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return 1
