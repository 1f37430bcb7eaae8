package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServersTakeTheirLoadAndStop(t *testing.T) {
	t.Parallel()
	b := &bench{
		config: &config{plan: plan{rounds: 1, slice: time.Millisecond}, quick: true},
		paper:  &paper{screen: io.Discard, markdown: io.Discard},
	}
	results, err := b.raceServers(t.Context(), sizes[1])
	require.NoError(t, err)
	require.Len(t, results, len(served))
	for _, r := range results {
		require.Positive(t, r.ns(), r.name)
		require.Positive(t, r.peeked(), r.name)
	}
}

func TestALoadSharesItsEventsAmongItsConnections(t *testing.T) {
	t.Parallel()
	k, err := startChild(t.Context(), ours)
	require.NoError(t, err)
	defer func() { require.NoError(t, k.stop()) }()
	l, err := k.newLoad(newBody(400, sonzaiLayout), 21)
	require.NoError(t, err)
	defer l.close()
	total := 0
	for _, s := range l.streams {
		total += len(s.signatures)
	}
	require.Len(t, l.streams, connections)
	require.Equal(t, 21, total)
	require.Equal(t, 21, k.next)
	require.NoError(t, l.run())
	spent, err := k.spent()
	require.NoError(t, err)
	require.EqualValues(t, 21, spent.Events)
}
