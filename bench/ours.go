package main

import (
	"context"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

var ours = &contender{
	name:     "sonzaihook, no store",
	about:    "the receiver with WithStore(nil) and all else by default; its verify is the function sonzaihook.Verify",
	scheme:   sonzaiScheme,
	verifier: oursVerifier,
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		return receiver(s, sonzaihook.Secret(secrets...), sonzaihook.WithStore(nil))
	},
}

var oursStored = &contender{
	name:   "sonzaihook, as it comes",
	about:  "the receiver with every default, the memory store included, which starts empty; every delivery is another event",
	scheme: sonzaiScheme,
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		return receiver(s, sonzaihook.Secret(secrets...))
	},
}

func oursVerifier() func([]byte, http.Header) error {
	return func(body []byte, header http.Header) error {
		return sonzaihook.Verify(body, header.Get(sonzaihook.SignatureHeader), secret, time.Now(), sonzaihook.DefaultTolerance)
	}
}

func receiver(s *sink, secrets sonzaihook.Secrets, options ...sonzaihook.Option) *sonzaihook.Receiver {
	hooks, err := sonzaihook.New(secrets, options...)
	if err != nil {
		panic(err)
	}
	hooks.OnMemoryAdded(func(_ context.Context, e *sonzaihook.MemoryAddedEvent) error {
		s.took(len(e.Data.Entities))
		return nil
	})
	hooks.OnConsolidation(func(_ context.Context, e *sonzaihook.ConsolidationEvent) error {
		s.took(len(e.Data.DiaryEntries))
		return nil
	})
	return hooks
}
