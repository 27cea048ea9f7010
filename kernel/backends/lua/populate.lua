#!lua
-- Rebuild a part of the serving set from history. Never overwrites what is there: Redis is newer.
-- ARGV: kind(user | key) then per row: user: id version row email_norm is_active_admin; key: id user digest row
local count = 0
if ARGV[1] == 'user' then
  for i = 2, #ARGV, 5 do
    local id = ARGV[i]
    if redis.call('HSETNX', P .. 'user:' .. id, 'version', ARGV[i + 1]) == 1 then
      redis.call('HSET', P .. 'user:' .. id, 'row', ARGV[i + 2], 'email_norm', ARGV[i + 3])
      redis.call('SET', P .. 'email:' .. ARGV[i + 3], id)
      if ARGV[i + 4] == '1' then redis.call('SADD', P .. 'admins', id) end
      count = count + 1
    end
  end
else
  for i = 2, #ARGV, 4 do
    if redis.call('HSETNX', P .. 'key:' .. ARGV[i + 2], 'row', ARGV[i + 3]) == 1 then
      redis.call('HSET', P .. 'key:' .. ARGV[i + 2], 'user', ARGV[i + 1])
      redis.call('HSET', P .. 'user-keys:' .. ARGV[i + 1], ARGV[i], ARGV[i + 2])
      count = count + 1
    end
  end
end
return count
