package main

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/sonzaihook/sonzaihook"
)

// contender is one way to receive a delivery, written as its users write it.
type contender struct {
	name   string
	about  string // what it is, for the notes under the tables
	scheme *scheme
	layout layout
	// verifier returns a function that checks a signature and nothing else; nil
	// where there is no such thing.
	verifier func() func(body []byte, header http.Header) error
	// handler returns a handler that tells the sink of every event. The secrets
	// are tried in their order where the contender can have several.
	handler func(s *sink, t sonzaihook.EventType, secrets []string) http.Handler
	// skips says that the handler cannot decode the payload.
	skips bool
}

// sink is where every handler ends: the user's callback, which does the least
// that proves that the payload was decoded.
type sink struct{ events, items atomic.Int64 }

func (s *sink) took(items int) {
	s.events.Add(1)
	s.items.Add(int64(items))
}

func (s *sink) reset() {
	s.events.Store(0)
	s.items.Store(0)
}

// The contenders of the tables about handlers and about servers. What a
// user gets comes first: every other is set in relation to it.
var (
	contenders = []*contender{oursStored, ours, floor, byHand, stripePeer, svixPeer, standardPeer, paddlePeer, playgroundPeer, githubPeer}
	served     = append(slices.Clone(contenders), idle)
	peers      = []*contender{byHand, stripePeer, svixPeer, standardPeer, paddlePeer, playgroundPeer, githubPeer}
)

func find(name string) *contender {
	for _, c := range served {
		if c.name == name {
			return c
		}
	}
	return nil
}
