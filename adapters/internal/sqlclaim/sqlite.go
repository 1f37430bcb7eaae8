package sqlclaim

import "strconv"

// sqliteNow is in milliseconds, as SQLite's clock is, written in microseconds.
const sqliteNow = "CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) * 1000"

func sqlite(text string) Statement {
	return compile(func(n int) string { return "?" + strconv.Itoa(n) }, false, sqliteNow, text)
}

// SQLite has the statements for SQLite. One that writes has the file for itself.
var SQLite = Statements{
	Claim: sqlite(`
INSERT INTO sonzaihook_leases AS l (namespace, id, token, expires, taken)
SELECT @namespace, @key, @token, {now} + @span, 0
WHERE NOT EXISTS (SELECT 1 FROM sonzaihook_done WHERE namespace = @namespace AND id = @key)
ON CONFLICT (namespace, id) DO UPDATE SET
  token = excluded.token, expires = excluded.expires,
  taken = CASE WHEN l.token = excluded.token THEN l.taken ELSE 1 END
WHERE l.token = excluded.token OR l.expires <= {now}
RETURNING taken`),
	Commit: sqlite(`
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace, @key, @token, {now} + @span
WHERE NOT EXISTS (SELECT 1 FROM sonzaihook_leases WHERE namespace = @namespace AND id = @key AND token <> @token)
ON CONFLICT DO NOTHING`),
	Mark: sqlite(`
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace, @key, @token, {now} + @span
WHERE NOT EXISTS (
  SELECT 1 FROM sonzaihook_leases
  WHERE namespace = @namespace AND id = @key AND token <> @token AND expires > {now})`),
	State:       sqlite(stateText),
	ForgetLease: sqlite(forgetLeaseText),
	Forget:      sqlite(forgetText),
	Release:     sqlite(releaseText),
	SweepLeases: sqlite(`
DELETE FROM sonzaihook_leases WHERE rowid IN (
  SELECT rowid FROM sonzaihook_leases WHERE expires < {now} - ` + grace + ` ORDER BY expires LIMIT @limit)`),
	SweepDone: sqlite(`
DELETE FROM sonzaihook_done WHERE rowid IN (
  SELECT rowid FROM sonzaihook_done WHERE expires < {now} - ` + grace + ` ORDER BY expires LIMIT @limit)`),
	SweepDead: sqlite(`
DELETE FROM sonzaihook_queue WHERE seq IN (
  SELECT seq FROM sonzaihook_queue WHERE state = 1 AND due < {now} ORDER BY due LIMIT @limit)`),
}

// SQLiteLock writes no row, and yet makes the transaction in which it is the first
// statement the file's writer. A transaction that reads first may find that it can
// no longer become it.
const SQLiteLock = "DELETE FROM sonzaihook_leases WHERE 0"

// SQLiteTouch does the same and writes a page, so that COMMIT flushes the file.
const SQLiteTouch = "UPDATE sonzaihook_schema SET version = version"
