#!lua flags=no-writes
-- Find what a name means to a user: the user's own template, one that ships with Presswork, one that somebody shares.
-- ARGV: user name        Returns its head's JSON, or nil
local user, name = ARGV[1], ARGV[2]
local function owned(owner) return redis.call('HGET', P .. 'template:' .. owner .. '/' .. name, 'row') end
if redis.call('SISMEMBER', P .. 'user-templates:' .. user, name) == 1 then return owned(user) end
local shipped = redis.call('HGET', P .. 'templates', '/' .. name)
if shipped then return shipped end
local sharer = redis.call('HGET', P .. 'shared-templates', name)
return sharer and owned(sharer) or nil
