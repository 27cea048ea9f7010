#!lua flags=allow-oom
-- Give an unfinished document its job back or, when that is gone for good, end its run as failed.
-- ARGV: mode (look | mend) id job ('' if lost) error_json        Returns missing (it was, or is) | ''
local id = ARGV[2]
local status = redis.call('HGET', doc(id), 'status')
if not status or TERMINAL[status] or redis.call('EXISTS', P .. 'job:' .. id) == 1 then return '' end
if ARGV[1] == 'mend' and ARGV[3] ~= '' then
  redis.call('SET', P .. 'job:' .. id, ARGV[3])
elseif ARGV[1] == 'mend' then
  redis.call('HINCRBY', doc(id), 'token', 1)
  redis.call('HSET', doc(id), 'error', ARGV[4])
  finish(id, 'failed', redis_ms())
end
return 'missing'
