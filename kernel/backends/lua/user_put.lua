#!lua flags=allow-oom
-- Create or change a user: compare the version, claim the e-mail, keep one admin, write row and event in one step.
-- ARGV: id expected_version row_json event_line email_norm is_active_admin deleted_ttl_s change_id
-- Returns ok | conflict | email_taken | last_admin
local id, key, email = ARGV[1], P .. 'user:' .. ARGV[1], P .. 'email:' .. ARGV[5]
local v = redis.call('HMGET', key, 'version', 'change', 'email_norm')
local version = tonumber(v[1] or 0)
-- The same call repeated by the client, maybe after another's change: the ids of the newest eight are kept. Equal rows
-- would not do: two callers may make the same change at once.
local changes = v[2] or ''
if string.find(changes, ARGV[8], 1, true) then return 'ok' end
if version ~= tonumber(ARGV[2]) then return 'conflict' end
local owner = redis.call('GET', email)
if owner and owner ~= id then return 'email_taken' end
if ARGV[6] == '0' and redis.call('SISMEMBER', P .. 'admins', id) == 1 and redis.call('SCARD', P .. 'admins') == 1 then
  return 'last_admin'
end
if v[3] and v[3] ~= ARGV[5] then redis.call('DEL', P .. 'email:' .. v[3]) end
redis.call('HSET', key, 'version', version + 1, 'row', ARGV[3], 'email_norm', ARGV[5],
  'change', string.sub(ARGV[8] .. ',' .. changes, 1, 8 * (#ARGV[8] + 1)))
redis.call(ARGV[6] == '1' and 'SADD' or 'SREM', P .. 'admins', id)
if tonumber(ARGV[7]) > 0 then
  redis.call('DEL', email)
  forget_keys(id)
  forget_endpoints(id)
  redis.call('EXPIRE', key, ARGV[7])
else
  redis.call('SET', email, id)
end
redis.call('XADD', P .. 'events', '*', 'u', ARGV[4])
return 'ok'
