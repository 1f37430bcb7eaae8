package hooktest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// faults are what a store can get wrong, and a part of the suite that finds it.
var faults = map[string]string{
	"":               "",
	"outside":        "killed between COMMIT and the receiver's own commit",
	"no fence":       "a holder that was overtaken and does not know it is stopped by the fence",
	"commit ignored": "a COMMIT that fails is a failure, and the retry writes",
	"keeps errors":   "what fails leaves nothing, and its retry one row",
	"runs on":        "a zombie past its deadline writes nothing",
}

const envFault = "HOOKTEST_FAULT"

// The suite passes on a store that is right and finds each fault. It fails the test
// that runs it, so each fault has a process.
func TestRunInTxFindsEachFault(t *testing.T) {
	t.Parallel()
	for fault, part := range faults {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTableInMemory$", "-test.v")
			cmd.Env = append(os.Environ(), envFault+"="+fault, "HOOKTEST_RUN=1")
			out, err := cmd.CombinedOutput()
			if fault == "" {
				require.NoError(t, err, string(out))
				return
			}
			require.Error(t, err, string(out))
			require.Contains(t, string(out), "--- FAIL: TestTableInMemory/"+strings.ReplaceAll(part, " ", "_"))
		})
	}
}

func TestTableInMemory(t *testing.T) {
	if os.Getenv("HOOKTEST_RUN") == "" {
		t.Skip("run by TestRunInTxFindsEachFault")
	}
	fault := os.Getenv(envFault)
	hooktest.RunInTx(t, func(testing.TB) hooktest.TxDatabase {
		table := &table{done: map[string]string{}, leases: map[string]lease{}, rows: map[string]int{}}
		return hooktest.TxDatabase{
			Start: func(testing.TB) hooktest.TxInstance { return (&instance{table: table, fault: fault}).instance() },
			Count: func(_ testing.TB, name string) int {
				table.mu.Lock()
				defer table.mu.Unlock()
				return table.rows[name]
			},
		}
	})
}

// table is a database in memory: what it holds is committed.
type table struct {
	mu     sync.Mutex
	done   map[string]string // the token
	leases map[string]lease
	rows   map[string]int
}

type lease struct {
	token string
	until time.Time
}

// instance is a process that uses it.
type instance struct {
	*table
	fault    string
	mu       sync.Mutex
	onCommit func(func() error) error
}

type pending struct{ names []string }

type pendingKey struct{}

func (i *instance) instance() hooktest.TxInstance {
	return hooktest.TxInstance{
		Store: i, InTx: i.inTx, Levels: map[string]func(sonzaihook.Handler) sonzaihook.Handler{"only": i.inTx},
		Insert: func(ctx context.Context, name string) error {
			p := ctx.Value(pendingKey{}).(*pending)
			p.names = append(p.names, name)
			return ctx.Err()
		},
		CommitTx: func(ctx context.Context, name string) error {
			claim, _ := sonzaihook.ClaimFrom(ctx)
			return i.commit(ctx, claim, []string{name})
		},
		OnCommit: func(fn func(func() error) error) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.onCommit = fn
		},
	}
}

func (i *instance) inTx(next sonzaihook.Handler) sonzaihook.Handler {
	return func(ctx context.Context, d *sonzaihook.Delivery) error {
		claim, ok := sonzaihook.ClaimFrom(ctx)
		if !ok {
			return errors.New("no claim")
		}
		p := &pending{}
		err := next(context.WithValue(ctx, pendingKey{}, p), d)
		if !sonzaihook.Settles(err) && i.fault != "keeps errors" {
			return err
		}
		if ctx.Err() != nil && i.fault != "runs on" {
			return context.Cause(ctx)
		}
		if failed := i.commit(ctx, claim, p.names); failed != nil && i.fault != "commit ignored" {
			return failed
		}
		return err
	}
}

// commit writes rows and "done", both or neither.
func (i *instance) commit(_ context.Context, claim sonzaihook.Claim, names []string) error {
	i.mu.Lock()
	fn := i.onCommit
	i.onCommit = nil
	i.mu.Unlock()
	commit := func() error {
		i.table.mu.Lock()
		defer i.table.mu.Unlock()
		if _, done := i.done[claim.Key]; done && i.fault != "no fence" {
			return sonzaihook.ErrLeaseLost
		}
		for _, name := range names {
			i.rows[name]++
		}
		if i.fault != "outside" {
			i.done[claim.Key] = claim.Token
		}
		return nil
	}
	if fn != nil {
		return fn(commit)
	}
	return commit()
}

func (i *instance) Claim(_ context.Context, key, token string, length time.Duration) (sonzaihook.State, error) {
	i.table.mu.Lock()
	defer i.table.mu.Unlock()
	if _, done := i.done[key]; done {
		return sonzaihook.Done, nil
	}
	if l, held := i.leases[key]; held && l.token != token && time.Now().Before(l.until) {
		return sonzaihook.InFlight, nil
	}
	i.leases[key] = lease{token, time.Now().Add(length)}
	return sonzaihook.Claimed, nil
}

func (i *instance) Commit(_ context.Context, key, token string, _ time.Duration) error {
	i.table.mu.Lock()
	defer i.table.mu.Unlock()
	if l, held := i.leases[key]; held && l.token != token {
		return sonzaihook.ErrLeaseLost
	}
	i.done[key] = token
	return nil
}

func (i *instance) Release(_ context.Context, key, token string) error {
	i.table.mu.Lock()
	defer i.table.mu.Unlock()
	if _, done := i.done[key]; done || i.leases[key].token != token && i.leases[key].token != "" {
		return sonzaihook.ErrLeaseLost
	}
	delete(i.leases, key)
	return nil
}
