#!lua flags=allow-oom
-- Take a webhook endpoint over from history where Redis has none or, having been set back, an older version of it.
-- ARGV: id version row_json user shown_url types deleted        Returns 1, or 0 if Redis is as new
local id, version = ARGV[1], tonumber(ARGV[2])
local key = P .. 'endpoint:' .. id
if tonumber(redis.call('HGET', key, 'version') or 0) >= version then return 0 end
redis.call('HSET', key, 'version', int(version), 'row', ARGV[3], 'shown', ARGV[5])
redis.call('HDEL', key, 'change')
endpoint_indexed(id, ARGV[4], ARGV[6], ARGV[7] == '1')
return 1
