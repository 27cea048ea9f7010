#!lua flags=allow-oom
-- Answer an ask, if its asker still waits. ARGV: id answer kept_ms        Returns 1 if somebody waits, else 0
if redis.call('DEL', P .. 'ask_held:' .. ARGV[1]) == 0 then
  return redis.call('EXISTS', P .. 'answer:' .. ARGV[1])
end
redis.call('SET', P .. 'answer:' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', P .. 'changed:' .. ARGV[1], 'answered')
return 1
