-- +goose Up
-- A row waits (state 0) until it is due, or is kept as dead (state 1) until then.
-- While it runs it is due when its lease ends.
CREATE TABLE IF NOT EXISTS sonzaihook_queue (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace BYTEA NOT NULL,
  queue BYTEA NOT NULL,
  id BYTEA NOT NULL,
  state SMALLINT NOT NULL DEFAULT 0,
  due BIGINT NOT NULL,
  enqueued BIGINT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  format INTEGER NOT NULL,
  ordering BYTEA NOT NULL,
  token BYTEA NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  meta BYTEA NOT NULL,
  body BYTEA NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS sonzaihook_queue_id ON sonzaihook_queue (namespace, queue, id);

CREATE INDEX IF NOT EXISTS sonzaihook_queue_due ON sonzaihook_queue (namespace, queue, state, due, seq);

CREATE INDEX IF NOT EXISTS sonzaihook_queue_ordering ON sonzaihook_queue (namespace, queue, ordering, seq) WHERE ordering <> '';

CREATE INDEX IF NOT EXISTS sonzaihook_queue_dead ON sonzaihook_queue (due) WHERE state = 1;

UPDATE sonzaihook_schema SET version = 2;
