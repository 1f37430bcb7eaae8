package redisscript

// The scripts compare and change one key in one step. The value of a key says
// who holds it: heldBy and a token, or "done". No token can look like "done",
// because of heldBy. Each script touches only the key that it is given, so it runs
// on any node of a cluster. Sent twice with the same arguments, it does no harm, so
// a client may send it again when a connection breaks.

const heldBy = ":"

// What the scripts answer.
const (
	granted = 1
	held    = 2
	done    = 3
	own     = 4 // no script answers it: SetOrGet found the holder's own claim
)

// SetOrGet stands for the command SET with NX, GET and PX, in place of a script: its
// arguments are the value and the time to live in milliseconds. It does in one command
// what claimScript does with a key that is not there, or that another holder has.
const SetOrGet = "SET NX GET PX"

// claimScript: ARGV is the holder and the lease in milliseconds.
const claimScript = `local v = redis.call('GET', KEYS[1])
if v == 'done' then return 3 end
if v and v ~= ARGV[1] then return 2 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

// commitScript: ARGV is the holder and the keep in milliseconds. A key that is done
// stays as it is, also if another holder did it, so that a commit whose answer was
// lost can be sent again.
const commitScript = `local v = redis.call('GET', KEYS[1])
if v == 'done' then return 1 end
if v and v ~= ARGV[1] then return 2 end
redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
return 1`

// releaseScript: ARGV is the holder.
const releaseScript = `local v = redis.call('GET', KEYS[1])
if not v then return 1 end
if v ~= ARGV[1] then return 2 end
redis.call('DEL', KEYS[1])
return 1`
