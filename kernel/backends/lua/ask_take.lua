#!lua flags=allow-oom
-- Take the next ask of the next user who is not busy. If the answer gets lost, the asker is told when the hold ends.
-- ARGV: held_ms kept_ms busy_user*        Returns {id, user, ask} or {}
local ring, now, busy = P .. 'ask_ring', redis_ms(), {}
for i = 3, #ARGV do busy[ARGV[i]] = true end

-- The first of a user's asks that is still waited for.
local function next_of(user)
  while true do
    local id = redis.call('LPOP', P .. 'asks:' .. user)
    if not id then return end
    local v = redis.call('HMGET', P .. 'ask:' .. id, 'ask', 'begin_by')
    redis.call('DEL', P .. 'ask:' .. id)
    if v[1] and now <= tonumber(v[2]) then return id, v[1] end
  end
end

local found = {}
for _ = 1, redis.call('LLEN', ring) do
  local user, id, text = redis.call('LPOP', ring), nil, nil
  if not busy[user] then id, text = next_of(user) end
  if redis.call('EXISTS', P .. 'asks:' .. user) == 1 then
    redis.call('RPUSH', ring, user)
    redis.call('PEXPIRE', ring, ARGV[2])
  end
  if id then
    redis.call('SET', P .. 'ask_held:' .. id, 1, 'PX', ARGV[1])
    found = {id, user, text}
    break
  end
end
return found
