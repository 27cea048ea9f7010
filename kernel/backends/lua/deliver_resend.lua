#!lua
-- Make a webhook due now, also one that has settled: one more attempt under the same webhook-id. Whatever attempt was
-- planned is this one now, for it is the same member. A repeated command with the same resend id changes nothing.
-- ARGV: member resend_id now ('' = Redis TIME) document_id run user type attempts created_at callback ('' if not known)
--   endpoint ('' for a callback) newest (when its newest attempt was made: the resend comes after it, also when the clock was set back meanwhile)
-- Returns ok | sending (an attempt is under way) | unknown (its callback has gone with its hash, and none was given)
local member, now = ARGV[1], tonumber(ARGV[3]) or redis_ms()
local key = P .. 'delivery:' .. member
local v = redis.call('HMGET', key, 'status', 'resend_id', 'leased_until', 'callback', 'endpoint')
if v[2] == ARGV[2] then return 'ok' end
if v[1] == 'pending' and now < tonumber(v[3] or 0) then return 'sending' end
if not v[4] and not v[5] then -- none there, or the mark of deliver_lost.lua
  if ARGV[10] == '' and ARGV[11] == '' then return 'unknown' end
  redis.call('HSET', key, 'document_id', ARGV[4], 'run', ARGV[5], 'user', ARGV[6], 'type', ARGV[7], 'attempts', ARGV[8],
    'created_at', ARGV[9], 'token', 0)
  if ARGV[11] ~= '' then
    redis.call('HSET', key, 'endpoint', ARGV[11])
  else
    redis.call('HSET', key, 'callback', ARGV[10])
  end
end
redis.call('HSET', key, 'status', 'pending', 'resend_id', ARGV[2], 'next_at', int(now))
redis.call('HINCRBY', key, 'token', 1) -- an attempt whose lease has ended comes too late from here on
redis.call('HDEL', key, 'leased_until')
redis.call('PERSIST', key)

-- Somebody wants it now: the receiver's circuit is half open, and one call finds out how it is.
local receiver = receiver_of_delivery(member)
if tonumber(redis.call('HGET', P .. 'receiver:' .. receiver, 'shut_until') or 0) > now then
  redis.call('HSET', P .. 'receiver:' .. receiver, 'shut_until', int(now))
  reopen_receiver(receiver)
end

-- Waiting in its receiver's lane it is due already; a second place there would send it twice.
local lane = P .. 'deliver_lane:' .. receiver
if not redis.call('LPOS', lane, member) then
  redis.call('HSET', key, 'due_at', int(now))
  redis.call('ZADD', P .. 'due', 'LT', int(now), member)
end
log_due(member, math.max(now, tonumber(ARGV[12]) + 1))
wake('deliver')

-- A later run of the document has deliveries of its own: this one does not show in its row.
local row = redis.call('HMGET', doc(ARGV[4]), 'run', 'deleted')
if row[1] == ARGV[5] and row[2] ~= '1' then
  show_deliveries(ARGV[4], ARGV[5], member)
  redis.call('PERSIST', doc(ARGV[4]))
  emit(ARGV[4], 'delivery_resent', now)
end
return 'ok'
