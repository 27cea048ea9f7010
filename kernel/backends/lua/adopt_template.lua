#!lua flags=allow-oom
-- Take a template over from history where Redis has none or, having been set back, an older revision of it.
-- ARGV: owner name revision row_json is_shared is_deleted (version schema_json)*
-- Returns 1, or 0 if Redis is as new
local owner, name, revision = ARGV[1], ARGV[2], tonumber(ARGV[3])
local key = P .. 'template:' .. owner .. '/' .. name
if tonumber(redis.call('HGET', key, 'version') or 0) >= revision then return 0 end
redis.call('HSET', key, 'version', int(revision), 'row', ARGV[4])
redis.call('HDEL', key, 'change')
local sharer = redis.call('HGET', P .. 'shared-templates', name)
template_indexed(owner, name, ARGV[5] == '1' and (not sharer or sharer == owner), ARGV[6] == '1')
if #ARGV > 6 then redis.call('HSET', P .. 'template-schemas:' .. owner .. '/' .. name, unpack(ARGV, 7)) end
return 1
