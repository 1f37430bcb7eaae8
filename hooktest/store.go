package hooktest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// RunStore runs the suite that every sonzaihook.Store must pass: that a key has
// one holder at a time however many claim it, that a lease ends, is renewed and can
// be lost, that a finished key is known for as long as it was asked for and no
// longer, that a call whose context ends returns and leaves no second holder
// behind, and that receivers which share the store run a delivery once.
//
// open is called once for each part and returns an empty store; it registers its
// own clean-up. The parts run in parallel, in real time, within a few seconds.
func RunStore(t *testing.T, open func(testing.TB) sonzaihook.Store) {
	t.Helper()
	for _, part := range slices.Concat(stateParts, timeParts, callParts, contentionParts) {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(&storeTest{T: t, store: open(t)})
		})
	}
}

// stateParts are about which call leads from which state to which.
var stateParts = []storePart{
	{"a claimed key is in flight for others", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
		t.claims("other", "b", longTime, sonzaihook.Claimed)
	}},
	{"a committed key is done for everybody", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.claims("k", "a", longTime, sonzaihook.Done)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a released key can be claimed at once", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.releases("k", "a")
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"a second commit changes nothing", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.commits("k", "a", longTime)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a release of an unknown key does nothing", func(t *storeTest) {
		t.releases("k", "a")
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"a finished key cannot be released", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.fails("Release", t.store.Release(t.Context(), "k", "a"), sonzaihook.ErrLeaseLost)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"keys and tokens of any bytes are different", func(t *storeTest) {
		odd := []string{
			"agent.wakeup:wk_1", "agent.wakeup:wk_1 ", "Agent.wakeup:wk_1", "done", ":", "", "0", "{a}", "{b}a",
			"a\x00b", "a\nb", "\xff", "é", "e\u0301", "*", strings.Repeat("k", 200),
		}
		for _, key := range odd {
			t.claims(key, "a", longTime, sonzaihook.Claimed)
		}
		t.claims("of tokens", odd[0], longTime, sonzaihook.Claimed)
		for _, token := range odd[1:] {
			t.claims("of tokens", token, longTime, sonzaihook.InFlight)
		}
		t.commits(odd[0], "a", longTime)
		t.releases(odd[1], "a")
		for _, key := range odd[2:] {
			t.claims(key, "b", longTime, sonzaihook.InFlight)
		}
	}},
	{"the holder can claim again, and a lost answer does no harm", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.commits("k", "a", longTime)
		t.claims("j", "a", longTime, sonzaihook.Claimed)
		t.releases("j", "a")
		t.releases("j", "a")
	}},
	{"a holder that committed cannot renew", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.claims("k", "a", shortTime, sonzaihook.Done)
		time.Sleep(pause)
		t.claims("k", "a", shortTime, sonzaihook.Done)
	}},
	{"another than the holder cannot commit or release", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.fails("Commit", t.store.Commit(t.Context(), "k", "b", longTime), sonzaihook.ErrLeaseLost)
		t.fails("Release", t.store.Release(t.Context(), "k", "b"), sonzaihook.ErrLeaseLost)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
		t.commits("k", "a", longTime)
	}},
}
