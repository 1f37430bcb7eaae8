package sqlclaim

import "strconv"

// postgresNow is the time at which it is evaluated, not that of the transaction.
const postgresNow = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"

func postgres(text string) Statement {
	return compile(func(n int) string { return "$" + strconv.Itoa(n) }, false, postgresNow, text)
}

// Postgres has the statements for PostgreSQL.
var Postgres = Statements{
	Claim: postgres(postgresClaim),
	// The lease is locked, so that no other call takes it over at the same time.
	Commit: postgres(`
WITH held AS MATERIALIZED (
  SELECT token FROM sonzaihook_leases WHERE namespace = @namespace AND id = @key FOR UPDATE
)
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace::bytea, @key::bytea, @token::bytea, {now} + @span::bigint
WHERE NOT EXISTS (SELECT 1 FROM held WHERE token <> @token)
ON CONFLICT DO NOTHING`),
	Mark:        postgres(PostgresMark),
	State:       postgres(stateText),
	ForgetLease: postgres(forgetLeaseText),
	Forget:      postgres(forgetText),
	Release:     postgres(releaseText),
	SweepLeases: postgres(`
DELETE FROM sonzaihook_leases WHERE (namespace, id) IN (
  SELECT namespace, id FROM sonzaihook_leases WHERE expires < {now} - ` + grace + `
  ORDER BY expires LIMIT @limit::int FOR UPDATE SKIP LOCKED)`),
	SweepDone: postgres(`
DELETE FROM sonzaihook_done WHERE (namespace, id) IN (
  SELECT namespace, id FROM sonzaihook_done WHERE expires < {now} - ` + grace + `
  ORDER BY expires LIMIT @limit::int FOR UPDATE SKIP LOCKED)`),
	SweepDead: postgres(`
DELETE FROM sonzaihook_queue WHERE seq IN (
  SELECT seq FROM sonzaihook_queue WHERE state = 1 AND due < {now}
  ORDER BY due LIMIT @limit::int FOR UPDATE SKIP LOCKED)`),
}

// PostgresMark is the text of Mark. Under a stricter isolation level the look at the
// lease would show the past, and could make the renewal fail, or this transaction.
const PostgresMark = `
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace::bytea, @key::bytea, @token::bytea, {now} + @span::bigint
WHERE CASE WHEN current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
  THEN NOT EXISTS (
    SELECT 1 FROM sonzaihook_leases
    WHERE namespace = @namespace AND id = @key AND token <> @token AND expires > {now})
  ELSE true END`

// PostgresUnsynced are the statements of [Postgres] with a claim that does not wait
// for the disk.
var PostgresUnsynced = func() Statements {
	s := Postgres
	s.Claim = postgres(`WITH unsynced AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS value)
` + unsyncedClaim)
	return s
}()

const (
	postgresClaim = claimHead + `
WHERE NOT EXISTS (SELECT 1 FROM sonzaihook_done WHERE namespace = @namespace AND id = @key)` + claimTail
	unsyncedClaim = claimHead + ` FROM unsynced
WHERE value IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sonzaihook_done WHERE namespace = @namespace AND id = @key)` + claimTail

	claimHead = `INSERT INTO sonzaihook_leases AS l (namespace, id, token, expires, taken)
SELECT @namespace::bytea, @key::bytea, @token::bytea, {now} + @span::bigint, 0`
	claimTail = `
ON CONFLICT (namespace, id) DO UPDATE SET
  token = excluded.token, expires = {now} + @span::bigint,
  taken = CASE WHEN l.token = excluded.token THEN l.taken ELSE 1 END
WHERE l.token = excluded.token OR l.expires <= {now}
RETURNING taken`
)

// What the databases have in common.
const (
	stateText = `
SELECT
  (SELECT CASE WHEN expires > {now} THEN 1 ELSE 0 END FROM sonzaihook_done WHERE namespace = @namespace AND id = @key),
  (SELECT token FROM sonzaihook_done WHERE namespace = @namespace AND id = @key),
  (SELECT token FROM sonzaihook_leases WHERE namespace = @namespace AND id = @key)`
	// The lease of the token that made a key done stays live, if it is longer than
	// the key was to be known.
	forgetLeaseText = `
DELETE FROM sonzaihook_leases WHERE namespace = @namespace AND id = @key AND token = (
  SELECT token FROM sonzaihook_done WHERE namespace = @namespace AND id = @key AND expires <= {now})`
	forgetText = `
DELETE FROM sonzaihook_done WHERE namespace = @namespace AND id = @key AND expires <= {now}`
	releaseText = `
DELETE FROM sonzaihook_leases WHERE namespace = @namespace AND id = @key AND token = @token
AND NOT EXISTS (SELECT 1 FROM sonzaihook_done WHERE namespace = @namespace AND id = @key)`
)
