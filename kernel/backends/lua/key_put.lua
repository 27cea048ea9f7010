#!lua flags=allow-oom
-- Create or revoke a key. A revoked key's row stays, so that the same key cannot be made valid again by accident. The last
-- active admin keeps one valid key.
-- ARGV: key_id user_id digest row_json event_line expected(new | active)        Returns ok | missing | exists | last_admin
local key = P .. 'key:' .. ARGV[3]
local row = redis.call('HGET', key, 'row')
if row == ARGV[4] then return 'ok' end

local function valid(text)
  if not text or string.find(text, '"revoked_at":%d') then return false end
  local expires_at = tonumber(string.match(text, '"expires_at":(%d+)'))
  return not expires_at or expires_at > redis_ms()
end

local function last_valid_key()
  for _, digest in ipairs(redis.call('HVALS', P .. 'user-keys:' .. ARGV[2])) do
    if digest ~= ARGV[3] and valid(redis.call('HGET', P .. 'key:' .. digest, 'row')) then return false end
  end
  return valid(row)
end

local function last_admin()
  return redis.call('SISMEMBER', P .. 'admins', ARGV[2]) == 1 and redis.call('SCARD', P .. 'admins') == 1
end

if ARGV[6] == 'new' then
  if row then return 'exists' end
  if redis.call('PTTL', P .. 'user:' .. ARGV[2]) ~= -1 then return 'missing' end -- none, or deleted and expiring
elseif not row then
  return 'missing'
elseif last_admin() and last_valid_key() then
  return 'last_admin'
end
redis.call('HSET', key, 'row', ARGV[4], 'user', ARGV[2])
redis.call('HSET', P .. 'user-keys:' .. ARGV[2], ARGV[1], ARGV[3])
redis.call('XADD', P .. 'events', '*', 'k', ARGV[5])
return 'ok'
