package main

import (
	"context"
	"net/http"
	"strconv"
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
	about:  "the receiver with every default, the memory store included, which has been full for a while, so that each delivery throws out an older one; every delivery is another event",
	scheme: sonzaiScheme,
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		return receiver(s, sonzaihook.Secret(secrets...), sonzaihook.WithStore(fullStore()))
	},
}

// fullStore returns the default store as it is after a busy day.
func fullStore() sonzaihook.Store {
	store := sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity)
	ctx := context.Background()
	for i := range sonzaihook.DefaultStoreCapacity * 11 / 10 {
		key := "|agent.memory_added|agent_luna|an event of yesterday|" + strconv.Itoa(i)
		if _, err := store.Claim(ctx, key, "token", time.Minute); err != nil {
			panic(err)
		}
		if err := store.Commit(ctx, key, "token", 72*time.Hour); err != nil {
			panic(err)
		}
	}
	return store
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
