-- +goose Up
-- A row waits (state 0) until it is due, or is kept as dead (state 1) until then.
-- While it runs it is due when its lease ends.
CREATE TABLE IF NOT EXISTS sonzaihook_queue (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace BLOB NOT NULL,
  queue BLOB NOT NULL,
  id BLOB NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL,
  enqueued INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  format INTEGER NOT NULL,
  ordering BLOB NOT NULL,
  token BLOB NOT NULL DEFAULT x'',
  reason TEXT NOT NULL DEFAULT '',
  meta BLOB NOT NULL,
  body BLOB NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS sonzaihook_queue_id ON sonzaihook_queue (namespace, queue, id);

CREATE INDEX IF NOT EXISTS sonzaihook_queue_due ON sonzaihook_queue (namespace, queue, state, due, seq);

CREATE INDEX IF NOT EXISTS sonzaihook_queue_ordering ON sonzaihook_queue (namespace, queue, ordering, seq) WHERE ordering <> x'';

CREATE INDEX IF NOT EXISTS sonzaihook_queue_dead ON sonzaihook_queue (due) WHERE state = 1;

UPDATE sonzaihook_schema SET version = 2;
