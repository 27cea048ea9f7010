#!lua flags=allow-oom
-- Give up a role that is ours.
-- ARGV: role holder        Returns 1 if it was, else 0
local key = P .. 'role:' .. ARGV[1]
if redis.call('GET', key) ~= ARGV[2] then return 0 end
return redis.call('DEL', key)
