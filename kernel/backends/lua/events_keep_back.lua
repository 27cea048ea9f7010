#!lua flags=allow-oom
-- Let Redis keep a document: the row `seq` could not be stored, so history cannot answer for it.
-- ARGV: id seq        Returns 1 | 0 if there is no such document here
if redis.call('EXISTS', doc(ARGV[1])) == 0 then return 0 end
redis.call('HSET', doc(ARGV[1]), 'kept_back', ARGV[2])
return 1
