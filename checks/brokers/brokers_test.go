//go:build unix

package brokers

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	client "github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

var quiet = watermill.NopLogger{}

// startNATS starts a server with JetStream.
func startNATS(t *testing.T, trackIDs bool) broker {
	t.Helper()
	program := installed(t, "nats-server", "nats-server")
	port, dir := freePort(t), t.TempDir()
	server := &process{
		t: t,
		command: func() *exec.Cmd {
			return exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(port), "-js", "-sd", dir)
		},
		ready: func() bool { return listens(port) },
	}
	server.start()
	url := "nats://" + address(port)
	options := []client.Option{client.MaxReconnects(-1), client.ReconnectWait(100 * time.Millisecond), client.RetryOnFailedConnect(true)}
	stream := nats.JetStreamConfig{
		AutoProvision: true, DurablePrefix: "sonzai", TrackMsgId: trackIDs,
		ConnectOptions: []client.JSOpt{client.MaxWait(time.Second)},
	}
	return broker{
		publisher: func() (message.Publisher, error) {
			return nats.NewPublisher(nats.PublisherConfig{URL: url, NatsOptions: options, JetStream: stream}, quiet)
		},
		subscriber: func() (message.Subscriber, error) {
			return nats.NewSubscriber(nats.SubscriberConfig{
				URL: url, NatsOptions: options, JetStream: stream, QueueGroupPrefix: "sonzai",
				AckWaitTimeout: 10 * time.Second, Unmarshaler: &nats.NATSMarshaler{}, SubscribersCount: 4,
			}, quiet)
		},
		kill: server.kill, restart: server.start,
	}
}

func TestNATSJetStream(t *testing.T) {
	t.Parallel()
	runCircle(t, startNATS(t, false))
}

// JetStream drops a message whose id it has seen within two minutes and confirms it
// all the same. What is published again must not be lost so.
func TestNATSJetStreamThatDropsEqualIDsLosesNothingThatIsPublishedAgain(t *testing.T) {
	t.Parallel()
	b := startNATS(t, true)
	again, err := b.publisher()
	require.NoError(t, err)
	t.Cleanup(func() { _ = again.Close() })
	runCircle(t, b, watermillhook.WithRepublish(again, topic))
}

// A body over the broker's limit is not taken: the platform has it still.
func TestABodyOverTheLimitOfTheBrokerIsNotTaken(t *testing.T) {
	t.Parallel()
	publisher, err := startNATS(t, false).publisher()
	require.NoError(t, err)
	t.Cleanup(func() { _ = publisher.Close() })
	c := newCircle(t, publisher)
	large := []byte(`{"event_type":"agent.mood_change","event_id":"evt_large","data":{"label":"` + strings.Repeat("x", 1<<20) + `"}}`)
	answer := hooktest.Deliver(t, c.front, large)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), "queue_unavailable")
	require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, c.front, body("evt_1")).Code)
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	program := installed(t, "rabbitmq-server", "rabbitmq-server")
	epmd := installed(t, "epmd", "erlang-base")
	port, names, distribution, dir := freePort(t), freePort(t), freePort(t), t.TempDir()
	// The nodes find each other through epmd, which the node would start as a daemon
	// on all addresses.
	mapper := &process{
		t:       t,
		command: func() *exec.Cmd { return exec.Command(epmd, "-address", "127.0.0.1", "-port", strconv.Itoa(names)) },
		ready:   func() bool { return listens(names) },
	}
	mapper.start()
	server := &process{t: t, ready: func() bool { return listens(port) }, command: func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "RABBITMQ_NODENAME=sonzaihook"+strconv.Itoa(port)+"@localhost",
			"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT="+strconv.Itoa(port),
			"RABBITMQ_DIST_PORT="+strconv.Itoa(distribution), "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+strconv.Itoa(names),
			"RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"),
			"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "plugins"), "RABBITMQ_CONFIG_FILE="+filepath.Join(dir, "none"),
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}")
		return cmd
	}}
	server.start()
	config := amqp.NewDurableQueueConfig("amqp://guest:guest@" + address(port) + "/")
	config.Publish.ConfirmDelivery = true
	config.Consume.Qos.PrefetchCount = 1
	// RabbitMQ confirms and drops what is for a queue that does not exist yet.
	declare, err := amqp.NewSubscriber(config, quiet)
	require.NoError(t, err)
	require.NoError(t, declare.SubscribeInitialize(topic))
	require.NoError(t, declare.Close())
	runCircle(t, broker{
		publisher:  func() (message.Publisher, error) { return amqp.NewPublisher(config, quiet) },
		subscriber: func() (message.Subscriber, error) { return amqp.NewSubscriber(config, quiet) },
		kill:       server.kill, restart: server.start,
	})
}

func TestRedisStreams(t *testing.T) {
	t.Parallel()
	program := installed(t, "redis-server", "redis-server")
	port, dir := freePort(t), t.TempDir()
	newClient := func() *redis.Client {
		return redis.NewClient(&redis.Options{Addr: address(port), ContextTimeoutEnabled: true, MaxRetries: -1})
	}
	server := &process{
		t: t,
		command: func() *exec.Cmd {
			return exec.Command(program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
				"--save", "", "--appendonly", "yes", "--appendfsync", "always")
		},
		ready: func() bool {
			c := newClient()
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return c.Ping(ctx).Err() == nil
		},
	}
	server.start()
	runCircle(t, broker{
		publisher: func() (message.Publisher, error) {
			return redisstream.NewPublisher(redisstream.PublisherConfig{Client: newClient()}, quiet)
		},
		subscriber: func() (message.Subscriber, error) {
			return redisstream.NewSubscriber(redisstream.SubscriberConfig{
				Client: newClient(), ConsumerGroup: "sonzai", OldestId: "0",
				ClaimInterval: 200 * time.Millisecond, MaxIdleTime: time.Second, BlockTime: 100 * time.Millisecond,
				DisableIndefiniteInitialBlock: true,
				ShouldStopOnReadErrors:        func(error) bool { return false },
			}, quiet)
		},
		kill: server.kill, restart: server.start,
	})
}

// TestKafka runs against an imitation of Kafka in this process, which is not killed:
// its consumer groups do not outlive it.
func TestKafka(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topic), kfake.GroupMinSessionTimeout(time.Second))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	publishing := kafka.DefaultSaramaSyncPublisherConfig()
	publishing.Version, publishing.Net.DialTimeout = sarama.V2_8_0_0, time.Second
	publishing.Producer.RequiredAcks = sarama.WaitForAll
	publishing.Producer.Retry.Max, publishing.Metadata.Retry.Max = 1, 1
	subscribing := kafka.DefaultSaramaSubscriberConfig()
	subscribing.Version, subscribing.Net.DialTimeout = sarama.V2_8_0_0, time.Second
	subscribing.Consumer.Offsets.Initial = sarama.OffsetOldest
	subscribing.Consumer.Group.Session.Timeout, subscribing.Consumer.Group.Heartbeat.Interval = 2*time.Second, 200*time.Millisecond
	brokers := cluster.ListenAddrs()
	runCircle(t, broker{
		publisher: func() (message.Publisher, error) {
			return kafka.NewPublisher(kafka.PublisherConfig{
				Brokers: brokers, Marshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: publishing,
			}, quiet)
		},
		subscriber: func() (message.Subscriber, error) {
			return kafka.NewSubscriber(kafka.SubscriberConfig{
				Brokers: brokers, Unmarshaler: kafka.DefaultMarshaler{}, ConsumerGroup: "sonzai",
				OverwriteSaramaConfig: subscribing, NackResendSleep: 10 * time.Millisecond, ReconnectRetrySleep: 100 * time.Millisecond,
			}, quiet)
		},
	})
}
