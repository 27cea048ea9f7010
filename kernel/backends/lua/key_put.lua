#!lua flags=allow-oom
-- Create or revoke a key. A revoked key's row stays, so that the same key cannot be made valid again by accident.
-- ARGV: key_id user_id digest row_json event_line expected(new | active)        Returns ok | missing | exists
local key = P .. 'key:' .. ARGV[3]
local row = redis.call('HGET', key, 'row')
if row == ARGV[4] then return 'ok' end
if ARGV[6] == 'new' then
  if row then return 'exists' end
  if redis.call('PTTL', P .. 'user:' .. ARGV[2]) ~= -1 then return 'missing' end -- none, or deleted and expiring
elseif not row then
  return 'missing'
end
redis.call('HSET', key, 'row', ARGV[4], 'user', ARGV[2])
redis.call('HSET', P .. 'user-keys:' .. ARGV[2], ARGV[1], ARGV[3])
redis.call('XADD', P .. 'events', '*', 'k', ARGV[5])
return 'ok'
