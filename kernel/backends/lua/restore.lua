#!lua
-- Bring an ended document that has left Redis back from its last row, so that retry and delete have one path.
-- ARGV: id ttl_s (field value)*        Returns 1 if it was restored, 0 if it is live already
if redis.call('EXISTS', doc(ARGV[1])) == 1 then return 0 end
redis.call('HSET', doc(ARGV[1]), unpack(ARGV, 3))
redis.call('EXPIRE', doc(ARGV[1]), ARGV[2])
return 1
