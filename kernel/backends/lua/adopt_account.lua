#!lua flags=allow-oom
-- Take a user or a key over from history where Redis has none or, having been set back, an older version. A deleted user
-- goes with its keys.
-- ARGV: kind (user | key) id version row, then user: email_norm is_active_admin deleted_ttl_s; key: user digest
-- Returns 1, or 0 if Redis is as new
local kind, id, version, row = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local function known(key) return tonumber(string.match(redis.call('HGET', key, 'row') or '', '"version":(%d+)') or 0) end

local function adopt_key(user, digest)
  local key = P .. 'key:' .. digest
  if redis.call('PTTL', P .. 'user:' .. user) ~= -1 then return 0 end -- none, or deleted and expiring
  if known(key) >= version then return 0 end
  redis.call('HSET', key, 'row', row, 'user', user)
  redis.call('HSET', P .. 'user-keys:' .. user, id, digest)
  return 1
end

local function adopt_user(email, admin, deleted_ttl)
  local key = P .. 'user:' .. id
  local v = redis.call('HMGET', key, 'version', 'email_norm')
  if tonumber(v[1] or 0) >= version then return 0 end
  if v[2] and redis.call('GET', P .. 'email:' .. v[2]) == id then redis.call('DEL', P .. 'email:' .. v[2]) end
  redis.call('HSET', key, 'version', int(version), 'row', row, 'email_norm', email)
  redis.call('HDEL', key, 'change')
  redis.call(admin == '1' and 'SADD' or 'SREM', P .. 'admins', id)
  if deleted_ttl ~= '0' then
    forget_keys(id)
    forget_endpoints(id)
    redis.call('EXPIRE', key, deleted_ttl)
  else
    redis.call('SET', P .. 'email:' .. email, id, 'NX')
  end
  return 1
end

if kind == 'key' then return adopt_key(ARGV[5], ARGV[6]) end
return adopt_user(ARGV[5], ARGV[6], ARGV[7])
