#!lua flags=allow-oom
-- Bring an unfinished document that Redis has lost back: into its lane or, before its time, among the delayed ones. What
-- is there already is newer and stays. `error_json` instead of a job ends the run as failed: its input is gone, too.
-- ARGV: id job ('' if lost) error_json run_at now idem_key fingerprint idem_ttl_ms ('' without a key) (field value)*
-- Returns queued | scheduled | failed, or known if Redis has the document
local id, job, run_at, now = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', doc(id)) == 1 then return 'known' end
local status = (run_at and run_at > now) and 'scheduled' or 'queued'
redis.call('HSET', doc(id), unpack(ARGV, 9))
redis.call('HSET', doc(id), 'status', status, 'size', #job)
count_open(id, 1)
if job == '' then
  redis.call('HSET', doc(id), 'error', ARGV[3])
  finish(id, 'failed', redis_ms())
  return 'failed'
end

redis.call('SET', P .. 'job:' .. id, job)
local idem = P .. 'idem:' .. ARGV[6]
if ARGV[6] ~= '' and redis.call('EXISTS', idem) == 0 then
  redis.call('HSET', idem, 'fingerprint', ARGV[7], 'id', id, 'status', status)
  redis.call('PEXPIRE', idem, ARGV[8])
end
if status == 'scheduled' then redis.call('ZADD', P .. 'delayed', int(run_at), id) else push(id, false) end
emit(id, 'readmitted', redis_ms())
return status
