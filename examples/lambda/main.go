// Command lambda receives Sonzai's deliveries as an AWS Lambda function, behind an
// HTTP API of API Gateway or a function URL (payload format 2.0).
//
//	GOOS=linux GOARCH=arm64 go build -tags lambda.norpc -o bootstrap . && zip function.zip bootstrap
//
// Set SONZAI_WEBHOOK_SECRET in the function's environment, and the function's
// timeout above sonzaihook.WithHandlerTimeout. Route POST alone to the function.
//
// Each instance of a function is a process, so copies of a delivery meet only in a
// store that the instances share: add sonzaihook.WithStore with a store on Redis or
// in your database before callbacks do what must not be done twice.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sonzaihook/sonzaihook"
)

func main() {
	hooks, err := newHooks()
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(handler(hooks))
}

func newHooks() (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")),
		sonzaihook.WithHandlerTimeout(20*time.Second))
	if err != nil {
		return nil, err
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
		return nil
	})
	return hooks, nil
}

type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

func handler(hooks *sonzaihook.Receiver) func(context.Context, request) (response, error) {
	return func(ctx context.Context, req request) (response, error) {
		body, err := bodyOf(req)
		if err != nil {
			return response{}, err // answered 5xx: the platform tries again
		}
		answer := recorder{header: http.Header{}}
		hooks.Receive(ctx, headerOf(req), body).Respond(&answer)
		return answer.response(), nil
	}
}

// headerOf returns the header under the names that net/http would give it: API
// Gateway writes them in lower case. It joins the lines of one header by commas.
func headerOf(req request) http.Header {
	header := http.Header{}
	for name, value := range req.Headers {
		header.Set(name, value)
	}
	return header
}

// bodyOf returns the bytes that were sent, which are what is signed.
func bodyOf(req request) ([]byte, error) {
	if !req.IsBase64Encoded {
		return []byte(req.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(req.Body)
	if err != nil {
		return nil, fmt.Errorf("the body is not base64: %w", err)
	}
	return body, nil
}

// recorder keeps an answer.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) response() response {
	header := map[string]string{}
	for name := range r.header {
		header[name] = r.header.Get(name)
	}
	return response{StatusCode: r.status, Headers: header, Body: r.body.String()}
}
