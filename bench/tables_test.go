package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/stretchr/testify/require"
)

func TestColumnsOfATableAreAligned(t *testing.T) {
	t.Parallel()
	got := markdownTable(table.Row{"", "per s", "×"}, []table.Row{{"one", "1", "\x1b[32m✓\x1b[0m"}, {"another", "10,000", ""}})
	require.Equal(t, strings.Join([]string{
		"|         |  per s |   × |",
		"| ------- | -----: | --: |",
		"| one     |      1 |   ✓ |",
		"| another | 10,000 |     |",
		"",
	}, "\n"), got)
}

func TestTablesOfWhatIsSharedFitOnAPage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &paper{screen: io.Discard, markdown: &out}
	wide := func(name string) turns {
		return turns{name: name, rates: []float64{1_234_567}, took: []time.Duration{99_999 * time.Microsecond}}
	}
	flush := &disk{took: []time.Duration{99_999 * time.Microsecond}}
	var stores []turns
	for range sqliteInTx + 1 {
		stores = append(stores, wide("PostgreSQL, InTx of pgxhook"))
	}
	p.rates(stores)
	p.aims((&bench{}).transactionAims(stores, flush))
	var queues []queueTurns
	for i := range insertMariaDB + 1 {
		name := "PostgreSQL, sqlhook"
		if i == oursPostgresMemory || i == oursSQLiteMemory || i == oursMariaDBMemory {
			name += ", memory"
		}
		queues = append(queues, queueTurns{wide(name), wide("")})
	}
	p.queues(queues)
	p.aims(queueAims(queues, flush))
	one, err := newProjectReceiver(1)
	require.NoError(t, err)
	columns := make([][]result, len(projectSizes))
	for i := range columns {
		for _, l := range projectLanes([]*projectReceiver{one, one, one}, sizes[0]) {
			columns[i] = append(columns[i], result{name: l.name, samples: []sample{{ns: 99_999_999}}})
		}
	}
	p.projects(columns)
	p.aims(projectAims(columns))
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSpace(line)), pageWidth, line)
	}
	require.Contains(t, out.String(), "1,234,567")
	require.Contains(t, out.String(), "forged, 10,000")
}

func TestWhatIsNotInstalledIsSaidInItsRow(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &paper{screen: io.Discard, markdown: &out}
	there, gone := turns{name: "SQLite", rates: []float64{1}, took: []time.Duration{1}}, turns{name: "MariaDB", missing: io.EOF}
	p.rates([]turns{there, gone})
	p.aims([]aim{faster("MariaDB ÷ SQLite", &gone, &there, 1)})
	require.Contains(t, out.String(), "| MariaDB | not installed |")
	require.Contains(t, out.String(), "MariaDB ÷ SQLite | not installed |")
}

func TestAnAimSaysWhetherItWasReached(t *testing.T) {
	t.Parallel()
	require.True(t, newAim("", atLeast, 2, 2, ratio).ok)
	require.False(t, newAim("", atLeast, 1.9, 2, ratio).ok)
	require.True(t, newAim("", atMost, 2, 2, ratio).ok)
	require.False(t, newAim("", atMost, 2.1, 2, ratio).ok)
}

func TestNumbersHaveCommas(t *testing.T) {
	t.Parallel()
	for text, v := range map[string]float64{"7": 7, "700": 700.4, "7,001": 7000.6, "1,234,567": 1234567} {
		require.Equal(t, text, thousands(v))
	}
}

func TestADrainIsTimedFromItsFirstToItsLastDelivery(t *testing.T) {
	t.Parallel()
	q := &queue{name: "slow to start", drain: func(ctx context.Context, ran func()) error {
		time.Sleep(200 * time.Millisecond)
		for ctx.Err() == nil {
			ran()
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
	rate, err := q.drainAll(t.Context(), 5)
	require.NoError(t, err)
	require.Less(t, rate, 1001.0)
	require.Greater(t, rate, 25.0, "the start was timed as well")
}

func TestADrainThatLosesDeliveriesFails(t *testing.T) {
	t.Parallel()
	q := &queue{name: "leaky", drain: func(_ context.Context, ran func()) error {
		ran()
		return nil
	}}
	_, err := q.drainAll(t.Context(), 2)
	require.ErrorContains(t, err, "leaky: 1 of 2 ran")
}
