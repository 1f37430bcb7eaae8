package watermillhook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
)

// A front answers 202 when the broker has the delivery, and a worker runs it. The
// copy that the platform sends is a second message, and the worker's claim knows it.
func Example() {
	broker := gochannel.NewGoChannel(gochannel.Config{Persistent: true}, watermill.NopLogger{}) // stands for one that is durable
	secrets, quiet := sonzaihook.Secret("whsec_example"), sonzaihook.WithLogger(slog.New(slog.DiscardHandler))
	front, err := sonzaihook.New(secrets, quiet, sonzaihook.WithHandOff(watermillhook.Publish(broker, "sonzai")))
	if err != nil {
		log.Fatal(err)
	}
	feelings, outcomes := make(chan string, 1), make(chan string, 1)
	worker, err := sonzaihook.New(secrets, quiet, sonzaihook.WithObserver(func(_ context.Context, o sonzaihook.Outcome) {
		outcomes <- o.Code
	}))
	if err != nil {
		log.Fatal(err)
	}
	worker.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		feelings <- e.AgentID + " feels " + e.Data.Label
		return nil
	})
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		log.Fatal(err)
	}
	router.AddConsumerHandler("worker", "sonzai", broker, watermillhook.Handler(worker))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- router.Run(ctx) }()
	<-router.Running()

	const body = `{"event_type":"agent.mood_change","event_id":"evt_1","agent_id":"luna","data":{"label":"content"}}`
	for range 2 {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), "whsec_example", time.Now()))
		answer := httptest.NewRecorder()
		front.ServeHTTP(answer, req)
		fmt.Print(answer.Code, " ", answer.Body)
		fmt.Println(<-outcomes)
	}
	fmt.Println(<-feelings)
	cancel()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 202 {"code":"queued"}
	// processed
	// 202 {"code":"queued"}
	// duplicate
	// luna feels content
}
