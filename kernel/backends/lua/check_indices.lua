#!lua flags=allow-oom
-- Say which index entries lead nowhere or are missing and, asked to, mend them.
-- ARGV: mode (look | mend) kind (email | admin | key) name*: an e-mail, a user's id, a key's digest
-- Returns per name what is (was) wrong, or ''
local mend, kind = ARGV[1] == 'mend', ARGV[2]

local function is_user(id, email)
  local v = redis.call('HMGET', P .. 'user:' .. id, 'row', 'email_norm')
  return v[1] and redis.call('TTL', P .. 'user:' .. id) < 0 and (not email or v[2] == email)
end

local JUDGE = {
  email = function(email)
    local owner = redis.call('GET', P .. 'email:' .. email)
    if not owner or is_user(owner, email) then return '' end
    if mend then redis.call('DEL', P .. 'email:' .. email) end
    return 'email_of_nobody'
  end,
  admin = function(id)
    if redis.call('SISMEMBER', P .. 'admins', id) == 0 or is_user(id) then return '' end
    if mend then redis.call('SREM', P .. 'admins', id) end
    return 'admin_of_nobody'
  end,
  key = function(digest)
    local v = redis.call('HMGET', P .. 'key:' .. digest, 'user', 'row')
    if not v[1] or not v[2] or not is_user(v[1]) then return '' end
    local id = string.match(v[2], '"key_id":"([^"]*)"')
    if redis.call('HGET', P .. 'user-keys:' .. v[1], id) == digest then return '' end
    if mend then redis.call('HSET', P .. 'user-keys:' .. v[1], id, digest) end
    return 'key_unlisted'
  end,
}

local answer = {}
for i = 3, #ARGV do answer[#answer + 1] = JUDGE[kind](ARGV[i]) end
return answer
