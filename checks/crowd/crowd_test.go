package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is also the server process, which Run starts from this binary.
func TestMain(m *testing.M) {
	if os.Getenv(ServerEnv) == "" {
		os.Exit(m.Run())
	}
	if err := Serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The long form has 10,000 connections: "make crowd".
func TestACrowdOfSlowClientsIsLetGoAndTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	timeouts := Timeouts{ReadHeader: time.Second, Read: 2 * time.Second, Write: 20 * time.Second, Idle: time.Minute}
	const connections = 300
	seen := 0
	require.NoError(t, Run(t.Context(), connections, timeouts, func(r Result) {
		seen++
		t.Logf("%+v", r)
		require.GreaterOrEqual(t, r.Connections, connections)
		require.Positive(t, r.Answered)
	}))
	require.Equal(t, len(kinds), seen)
}

func TestAResultPastItsBoundIsAnError(t *testing.T) {
	t.Parallel()
	require.NoError(t, Result{Peak: 10, Bound: 10}.Held())
	require.ErrorContains(t, Result{Name: "silent", Peak: 11, Bound: 10}.Held(), "more than 10")
}
