-- +goose Up
CREATE TABLE IF NOT EXISTS sonzaihook_schema (
  only_row INTEGER PRIMARY KEY,
  version INTEGER NOT NULL
);

-- Times are microseconds since 1970.
CREATE TABLE IF NOT EXISTS sonzaihook_leases (
  namespace BLOB NOT NULL,
  id BLOB NOT NULL,
  token BLOB NOT NULL,
  expires INTEGER NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (namespace, id)
);

CREATE INDEX IF NOT EXISTS sonzaihook_leases_expires ON sonzaihook_leases (expires);

CREATE TABLE IF NOT EXISTS sonzaihook_done (
  namespace BLOB NOT NULL,
  id BLOB NOT NULL,
  token BLOB NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (namespace, id)
);

CREATE INDEX IF NOT EXISTS sonzaihook_done_expires ON sonzaihook_done (expires);

INSERT INTO sonzaihook_schema (only_row, version) VALUES (1, 1);
