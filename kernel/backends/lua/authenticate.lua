#!lua flags=no-writes
-- Read a key and its user in one round trip. ARGV: digest
-- Returns {key_row, user_row, used_at}, {} for an unknown key, or {'lost'} while Redis has no complete set of them
local function unknown() return redis.call('EXISTS', P .. 'populated') == 1 and {} or {'lost'} end
local v = redis.call('HMGET', P .. 'key:' .. ARGV[1], 'row', 'user', 'used_at')
if not v[1] then return unknown() end
local user = redis.call('HGET', P .. 'user:' .. v[2], 'row')
if not user then return unknown() end
return {v[1], user, v[3] or ''}
