#!lua
-- Take an ask in, behind the others of its user; users take turns. Nobody needs it any more after wait_ms.
-- ARGV: id ask user wait_ms kept_ms max_all max_user        Returns ok | full | user_full
local id, user, kept = ARGV[1], ARGV[3], ARGV[5]
local ring, key = P .. 'ask_ring', P .. 'ask:' .. id
if redis.call('EXISTS', key) == 1 then return 'ok' end

-- Drop what is no longer waited for, and count the rest.
local function waiting(one)
  local list = P .. 'asks:' .. one
  for _, known in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if redis.call('EXISTS', P .. 'ask:' .. known) == 0 then redis.call('LREM', list, 0, known) end
  end
  return redis.call('LLEN', list)
end

local all, mine = 0, 0
for _, one in ipairs(redis.call('LRANGE', ring, 0, -1)) do
  local count = waiting(one)
  all = all + count
  if one == user then mine = count end
end
if mine >= tonumber(ARGV[7]) then return 'user_full' end
if all >= tonumber(ARGV[6]) then return 'full' end

redis.call('HSET', key, 'ask', ARGV[2], 'begin_by', int(redis_ms() + ARGV[4]))
redis.call('PEXPIRE', key, kept)
if redis.call('RPUSH', P .. 'asks:' .. user, id) == 1 then
  redis.call('LREM', ring, 0, user)
  redis.call('RPUSH', ring, user)
end
redis.call('PEXPIRE', P .. 'asks:' .. user, kept)
redis.call('PEXPIRE', ring, kept)
wake('ask')
return 'ok'
