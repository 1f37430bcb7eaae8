-- +goose Up
-- A row waits (state 0) until it is due, or is kept as dead (state 1) until then.
-- While it runs it is due when its lease ends.
CREATE TABLE IF NOT EXISTS sonzaihook_queue (
  seq BIGINT AUTO_INCREMENT PRIMARY KEY,
  namespace VARBINARY(64) NOT NULL,
  queue VARBINARY(64) NOT NULL,
  id VARBINARY(255) NOT NULL,
  state SMALLINT NOT NULL DEFAULT 0,
  due BIGINT NOT NULL,
  enqueued BIGINT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  format INTEGER NOT NULL,
  ordering VARBINARY(255) NOT NULL,
  token VARBINARY(255) NOT NULL DEFAULT '',
  reason VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
  meta MEDIUMBLOB NOT NULL,
  body LONGBLOB NOT NULL,
  UNIQUE KEY sonzaihook_queue_id (namespace, queue, id),
  KEY sonzaihook_queue_due (namespace, queue, state, due, seq),
  KEY sonzaihook_queue_ordering (namespace, queue, ordering, seq),
  KEY sonzaihook_queue_dead (state, due)
) ENGINE=InnoDB;

UPDATE sonzaihook_schema SET version = 2;
