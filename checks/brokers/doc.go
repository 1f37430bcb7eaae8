// Package brokers holds tests of watermillhook against real brokers: NATS
// JetStream, RabbitMQ, Redis Streams, and Kafka in an imitation that runs in the
// process. Each starts a server on loopback, and is skipped where the
// program is missing (Debian packages nats-server, rabbitmq-server, redis-server).
//
//	go -C checks/brokers test ./...
//
// It is a separate module so that the clients of the brokers are in no user's
// go.mod.
package brokers
