#!lua flags=allow-oom
-- Say which indices of a user are unlike its row and, asked to, set them right: the e-mail's owner, the set of admins.
-- ARGV: mode (look | mend) (id version is_active_admin)*: as the row said when it was read        Returns per user what, or ''
local mend = ARGV[1] == 'mend'

local function judged(id, version, admin)
  local v = redis.call('HMGET', P .. 'user:' .. id, 'version', 'email_norm')
  if v[1] ~= version then return '' end
  local owner = redis.call('GET', P .. 'email:' .. v[2])
  if owner and owner ~= id and redis.call('HGET', P .. 'user:' .. owner, 'email_norm') == v[2] then return 'email_twice' end
  if owner ~= id then
    if mend then redis.call('SET', P .. 'email:' .. v[2], id) end
    return 'email_unlisted'
  end
  if redis.call('SISMEMBER', P .. 'admins', id) ~= tonumber(admin) then
    if mend then redis.call(admin == '1' and 'SADD' or 'SREM', P .. 'admins', id) end
    return 'admin_unlisted'
  end
  return ''
end

local answer = {}
for i = 2, #ARGV, 3 do answer[#answer + 1] = judged(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return answer
