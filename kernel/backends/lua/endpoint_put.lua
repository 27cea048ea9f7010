#!lua
-- Create or change a webhook endpoint: compare the version, keep the indices, write row and event in one step; others of
-- its user hear of it, if there is something to tell.
-- ARGV: id expected_version row_json event_line user shown_url types (',a,b,'; '' while it gets nothing) deleted change_id
--   most (endpoints of one user, 0 for any number), then, to tell the others: type message_id data_json
-- Returns ok | conflict | full
local id, user, change = ARGV[1], ARGV[5], ARGV[9]
local key, mine = P .. 'endpoint:' .. id, P .. 'endpoints-of:' .. user
local v = redis.call('HMGET', key, 'version', 'change')
local changes = v[2] or ''
if string.find(changes, change, 1, true) then return 'ok' end -- repeated by the client, as in user_put.lua
local version, most = tonumber(v[1] or 0), tonumber(ARGV[10])
if version ~= tonumber(ARGV[2]) then return 'conflict' end
if version == 0 and most > 0 and redis.call('SCARD', mine) >= most then return 'full' end
redis.call('HSET', key, 'version', int(version + 1), 'row', ARGV[3], 'shown', ARGV[6],
  'change', string.sub(change .. ',' .. changes, 1, 8 * (#change + 1)))
endpoint_indexed(id, user, ARGV[7], ARGV[8] == '1')
redis.call('XADD', P .. 'events', '*', 'h', ARGV[4])
if ARGV[11] then
  tell_endpoints(user, ARGV[11], ARGV[12], ARGV[13], redis_ms())
else
  forgive_receiver(id) -- its owner has changed it
end
return 'ok'
