package sqlclaim

// mysqlNow does not depend on the time zone of the session.
const mysqlNow = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"

func mysql(text string) Statement {
	return compile(func(int) string { return "?" }, true, mysqlNow, text)
}

// MySQL has the statements for MySQL and MariaDB.
var MySQL = Statements{
	// The assignments take effect in their order: expires sees the new token.
	Claim: mysql(`
INSERT INTO sonzaihook_leases (namespace, id, token, expires)
VALUES (@namespace, @key, @token, {now} + @span)
ON DUPLICATE KEY UPDATE
  token = IF(token = VALUES(token) OR expires <= {now}, VALUES(token), token),
  expires = IF(token = VALUES(token), VALUES(expires), expires)`),
	Commit: mysql(`
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace, @key, @token, {now} + @span FROM DUAL
WHERE NOT EXISTS (
  SELECT 1 FROM sonzaihook_leases
  WHERE namespace = @namespace AND id = @key AND token <> @token LOCK IN SHARE MODE)`),
	// A look at the lease would lock it, and keep the holder from renewing it.
	Mark: mysql(`
INSERT INTO sonzaihook_done (namespace, id, token, expires)
VALUES (@namespace, @key, @token, {now} + @span)`),
	State:       mysql(stateText),
	ForgetLease: mysql(forgetLeaseText),
	Forget:      mysql(forgetText),
	Release:     mysql(releaseText),
	SweepLeases: mysql(`
DELETE FROM sonzaihook_leases WHERE expires < {now} - ` + grace + ` ORDER BY expires LIMIT @limit`),
	SweepDone: mysql(`
DELETE FROM sonzaihook_done WHERE expires < {now} - ` + grace + ` ORDER BY expires LIMIT @limit`),
	SweepDead: mysql(`
DELETE FROM sonzaihook_queue WHERE state = 1 AND due < {now} ORDER BY due LIMIT @limit`),
}
