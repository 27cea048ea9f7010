#!lua
-- Accept a document: hash, job, lane, idempotency key and event in one step. The commit point of a 202.
-- ARGV: id head job now user lane priority run_at callback idem_key idem_fingerprint idem_ttl_s limits*6
-- Returns {ok, status} | {replay, id, status} | {mismatch} | {system_full | user_full, what, retry_after_s}
local id, now, user, run_at = ARGV[1], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[8])
local idem = P .. 'idem:' .. ARGV[10]
if ARGV[10] ~= '' then
  local seen = redis.call('HMGET', idem, 'fingerprint', 'id', 'status')
  if seen[1] and seen[1] ~= ARGV[11] then return {'mismatch'} end
  if seen[1] and seen[2] ~= id then return {'replay', seen[2], seen[3]} end
end
local known = redis.call('HGET', doc(id), 'status')
if known then return {'ok', known} end
local refused = refusal(user, #ARGV[3], {unpack(ARGV, 13)})
if refused then return refused end

local status = (run_at and run_at > now) and 'scheduled' or 'queued'
redis.call('HSET', doc(id), 'head', ARGV[2], 'status', status, 'run', 1, 'attempt', 0, 'crashes', 0, 'token', 0, 'seq', 0,
  'user', user, 'lane', ARGV[6], 'priority', ARGV[7], 'queued_at', int(now), 'delivery_status', 'none',
  'delivery_attempts', 0, 'size', #ARGV[3])
if ARGV[9] ~= '' then redis.call('HSET', doc(id), 'callback', ARGV[9]) end
redis.call('SET', P .. 'job:' .. id, ARGV[3])
if ARGV[10] ~= '' then
  redis.call('HSET', idem, 'fingerprint', ARGV[11], 'id', id, 'status', status)
  redis.call('EXPIRE', idem, ARGV[12])
end
count_open(id, 1)
if status == 'scheduled' then redis.call('ZADD', P .. 'delayed', int(run_at), id) else push(id, false) end
emit(id, 'accepted', now)
return {'ok', status}
