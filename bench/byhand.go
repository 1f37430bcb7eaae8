package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// The handler that one writes without a library, in the way that the platform's
// SDK suggests: read everything, verify, switch on the type, and unmarshal once
// for the type and once for the payload.

var byHand = &contender{
	name:     "by hand",
	about:    "io.ReadAll, hmac.New for each delivery, a switch on the type, encoding/json twice",
	scheme:   sonzaiScheme,
	verifier: byHandVerifier,
	handler: func(s *sink, _ sonzaihook.EventType, secrets []string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
			if err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			if err := verifyByHandAny(body, r.Header.Get("Sonzai-Signature"), secrets); err != nil {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			dispatchByHand(w, body, s)
		})
	},
}

func byHandVerifier() func([]byte, http.Header) error {
	return func(body []byte, header http.Header) error {
		return verifyByHand(body, header.Get("Sonzai-Signature"), secret)
	}
}

var errUnauthorized = errors.New("unauthorized")

// verifyByHandAny tries one secret after the other, because nothing says which
// of them it was.
func verifyByHandAny(body []byte, header string, secrets []string) error {
	for _, secret := range secrets {
		if verifyByHand(body, header, secret) == nil {
			return nil
		}
	}
	return errUnauthorized
}

func verifyByHand(body []byte, header, secret string) error {
	var stamp string
	var signatures []string
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			signatures = append(signatures, value)
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("bad timestamp: %w", err)
	}
	if age := time.Since(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return errors.New("timestamp outside tolerance")
	}
	mac := hmac.New(sha256.New, []byte(strings.TrimPrefix(secret, "whsec_")))
	mac.Write([]byte(stamp))
	mac.Write([]byte("."))
	mac.Write(body)
	expected := hex.EncodeToString(mac.Sum(nil))
	for _, signature := range signatures {
		if hmac.Equal([]byte(signature), []byte(expected)) {
			return nil
		}
	}
	return errUnauthorized
}

// dispatchByHand is what follows a verification that decodes nothing. The peers
// that only verify end in it too.
func dispatchByHand(w http.ResponseWriter, body []byte, s *sink) {
	var event struct {
		EventType string          `json:"event_type"`
		EventID   string          `json:"event_id"`
		AgentID   string          `json:"agent_id"`
		UserID    string          `json:"user_id"`
		ProjectID string          `json:"project_id"`
		CreatedAt time.Time       `json:"created_at"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if err := payloadByHand(event.EventType, event.Data, s); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func payloadByHand(eventType string, data json.RawMessage, s *sink) error {
	switch eventType {
	case "agent.memory_added":
		var fact sonzaihook.MemoryAdded
		if err := json.Unmarshal(data, &fact); err != nil {
			return err
		}
		s.took(len(fact.Entities))
	case "agent.consolidation":
		var night sonzaihook.Consolidation
		if err := json.Unmarshal(data, &night); err != nil {
			return err
		}
		s.took(len(night.DiaryEntries))
	}
	return nil
}
