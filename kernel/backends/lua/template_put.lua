#!lua
-- Create or change a template that somebody owns: compare the revision, keep shared names unique, write row and event in
-- one step.
-- ARGV: owner name expected_revision row_json event_line is_shared is_deleted change_id (version schema_json)*
-- Returns ok | conflict | reserved | shared_name_taken
local owner, name = ARGV[1], ARGV[2]
local id = owner .. '/' .. name
local key, schemas = P .. 'template:' .. id, P .. 'template-schemas:' .. id
local v = redis.call('HMGET', key, 'version', 'change')
local changes = v[2] or ''
if string.find(changes, ARGV[8], 1, true) then return 'ok' end -- repeated by the client, as in user_put.lua
local revision = tonumber(v[1] or 0)
if revision ~= tonumber(ARGV[3]) then return 'conflict' end
if ARGV[7] == '0' and redis.call('HEXISTS', P .. 'templates', '/' .. name) == 1 then return 'reserved' end
local sharer = redis.call('HGET', P .. 'shared-templates', name)
if ARGV[6] == '1' and sharer and sharer ~= owner then return 'shared_name_taken' end
redis.call('HSET', key, 'version', int(revision + 1), 'row', ARGV[4],
  'change', string.sub(ARGV[8] .. ',' .. changes, 1, 8 * (#ARGV[8] + 1)))
template_indexed(owner, name, ARGV[6] == '1', ARGV[7] == '1')
if ARGV[7] == '1' then redis.call('DEL', schemas) end
if #ARGV > 8 then redis.call('HSET', schemas, unpack(ARGV, 9)) end
redis.call('XADD', P .. 'events', '*', 't', ARGV[5])
return 'ok'
