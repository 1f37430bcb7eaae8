-- +goose Up
CREATE TABLE IF NOT EXISTS sonzaihook_schema (
  only_row INTEGER PRIMARY KEY,
  version INTEGER NOT NULL
) ENGINE=InnoDB;

-- Times are microseconds since 1970, by the clock of this server.
CREATE TABLE IF NOT EXISTS sonzaihook_leases (
  namespace VARBINARY(64) NOT NULL,
  id VARBINARY(255) NOT NULL,
  token VARBINARY(255) NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (namespace, id),
  KEY sonzaihook_leases_expires (expires)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS sonzaihook_done (
  namespace VARBINARY(64) NOT NULL,
  id VARBINARY(255) NOT NULL,
  token VARBINARY(255) NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (namespace, id),
  KEY sonzaihook_done_expires (expires)
) ENGINE=InnoDB;

INSERT INTO sonzaihook_schema (only_row, version) VALUES (1, 1);
