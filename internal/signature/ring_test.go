package signature

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func secret(name, value string) Secret { return Secret{Name: name, Type: name, Value: value} }

// counted makes every key of a keyring count the MACs that are computed.
func counted(k *Keyring) *int {
	tried := new(int)
	count := func(s *Scope) {
		for _, keys := range s.ring.Load().byType {
			for _, key := range keys {
				fresh := key.signers.New
				key.signers = &sync.Pool{New: func() any { *tried++; return fresh() }}
			}
		}
	}
	count(k.Tenant)
	k.projects.Range(func(_, s any) bool { count(s.(*Scope)); return true })
	return tried
}

func signed(t *testing.T, body []byte, value string, now time.Time) *Header {
	t.Helper()
	h := &Header{}
	require.NoError(t, h.Parse(SignAll(body, now, value)))
	return h
}

func TestAForgedDeliveryCostsTheSecretsOfItsTypeHoweverManyThereAre(t *testing.T) {
	now, body := time.Now(), []byte("{}")
	for _, projects := range []int{0, 1, 1000} {
		for _, types := range []int{1, 100} {
			k := NewKeyring([]Secret{secret("a", "t1"), secret("a", "t2"), secret(Any, "any")})
			for i := range types {
				k.Tenant.Rotate(secret(fmt.Sprint("type", i), fmt.Sprint("tenant", i)), now, now)
			}
			for i := range projects {
				k.Project(fmt.Sprint("p", i)).Set([]Secret{secret("a", fmt.Sprint("p", i)), secret("b", fmt.Sprint("b", i))})
			}
			k.search.perSecond = 0
			tried := counted(k)
			_, err := k.Verify(signed(t, body, "forged", now), body, Query{Type: "a", Project: "p0", Now: now})
			require.ErrorIs(t, err, ErrMismatch)
			require.Equal(t, 3+min(projects, 1), *tried, "%d projects, %d types", projects, types)
		}
	}
}

func TestASecretOfAnotherTypeIsFoundAFewTimesASecond(t *testing.T) {
	now, body := time.Now(), []byte("{}")
	k := NewKeyring([]Secret{secret("a", "of a"), secret("b", "of b")})
	found := 0
	for range 100 {
		_, err := k.Verify(signed(t, body, "of b", now), body, Query{Type: "a", Now: now})
		require.Error(t, err)
		if err == ErrOtherType { //nolint:errorlint // it is never wrapped
			found++
		}
	}
	require.Equal(t, 32, found)
}

func TestOnlyTheSecretsOfTheTypeAreTried(t *testing.T) {
	now, body := time.Now(), []byte("{}")
	for _, c := range []struct {
		value string
		tried int
		err   error
	}{{"old", 1, nil}, {"new", 2, nil}, {"any", 3, nil}, {"none", 3, ErrMismatch}} {
		k := NewKeyring([]Secret{secret("a", "old"), secret("a", "new"), secret("b", "other"), secret(Any, "any")})
		k.search.perSecond = 0
		tried := counted(k)
		_, err := k.Verify(signed(t, body, c.value, now), body, Query{Type: "a", Now: now})
		require.ErrorIs(t, err, c.err)
		require.Equal(t, c.tried, *tried, c.value)
	}
}

func TestTwoNamesWithOneSecretCostOneMAC(t *testing.T) {
	now, body := time.Now(), []byte("{}")
	k := NewKeyring([]Secret{{"agent.wakeup", "agent.wakeup", "w"}, {"on_wakeup_ready", "agent.wakeup", "w"}})
	k.search.perSecond = 0
	tried := counted(k)
	_, err := k.Verify(signed(t, body, "x", now), body, Query{Type: "agent.wakeup", Now: now})
	require.ErrorIs(t, err, ErrMismatch)
	require.Equal(t, 1, *tried)
}

func TestRotatingOneNameKeepsTheOthersOfItsType(t *testing.T) {
	now, body := time.Now(), []byte("{}")
	k := NewKeyring([]Secret{{"agent.wakeup", "agent.wakeup", "w"}, {"on_wakeup_ready", "agent.wakeup", "o"}})
	verifies := func(value string, at time.Time) bool {
		_, err := k.Verify(signed(t, body, value, at), body, Query{Type: "agent.wakeup", Now: at})
		return err == nil
	}
	k.Tenant.Rotate(Secret{"agent.wakeup", "agent.wakeup", "w2"}, now, now.Add(time.Minute))
	require.True(t, verifies("w", now) && verifies("w2", now) && verifies("o", now))
	later := now.Add(time.Minute)
	require.False(t, verifies("w", later))
	require.True(t, verifies("w2", later) && verifies("o", later))
	require.True(t, k.Tenant.Has("on_wakeup_ready", "agent.wakeup", later))
	require.False(t, k.Tenant.Has("wakeup", "agent.wakeup", later))
	require.True(t, k.Covers("agent.wakeup", later))
	require.False(t, k.Covers("agent.message", later))
}

func TestAHeaderOfSeveralLinesIsParsedAsStrictly(t *testing.T) {
	t.Parallel()
	good := SignAll([]byte("{}"), time.Now(), "s")
	for name, c := range map[string]struct {
		lines []string
		err   error
	}{
		"one":             {[]string{good}, nil},
		"twice the same":  {[]string{good, good}, nil},
		"two times":       {[]string{good, "t=1,v1=" + good[len(good)-64:]}, ErrMalformed},
		"cut at a comma":  {[]string{good[:12], good[13:]}, nil},
		"an empty one":    {[]string{good, ""}, ErrMalformed},
		"seventeen of v1": {append([]string{good}, make([]string, 20)...), ErrMalformed},
	} {
		require.ErrorIs(t, (&Header{}).ParseLines(c.lines), c.err, name)
	}
}
