package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

var lastEvent atomic.Int64

// event returns the body of a new message, with the project's id if one is given.
func event(project string) []byte {
	id := lastEvent.Add(1)
	if project == "" {
		return fmt.Appendf(nil, `{"event_type":"agent.message","event_id":"%d"}`, id)
	}
	return fmt.Appendf(nil, `{"event_type":"agent.message","event_id":"%d","project_id":%q}`, id, project)
}

func withProjects(t *testing.T, options ...sonzaihook.Option) (*recorder.Receiver, http.Handler) {
	t.Helper()
	h := recorder.New(t, sonzaihook.Secret("tenant"), options...).HandleAll(nil)
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/{project}/{event}", h)
	mux.Handle("POST /hooks", h)
	return h, mux
}

func secretsOf(secret string) sonzaihook.Secrets {
	return sonzaihook.Secrets{sonzaihook.EventMessage: {secret}}
}

func TestADeliveryIsOfTheProjectWhoseSecretVerifiedIt(t *testing.T) {
	t.Parallel()
	h, mux := withProjects(t)
	require.NoError(t, h.Project("p1").SetSecrets(secretsOf("one")))
	require.NoError(t, h.Project("p2").SetSecrets(secretsOf("two")))
	var got *sonzaihook.MessageEvent
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error { got = e; return nil })
	for _, c := range []struct {
		name, path, body, secret string
		status                   int
		project, ofEvent         string
	}{
		{"named in the path", "/hooks/p1/agent.message", "", "one", 200, "p1", "p1"},
		{"named in the body", "/hooks", "p2", "two", 200, "p2", "p2"},
		{"the path wins", "/hooks/p1/agent.message", "p2", "one", 200, "p1", "p1"},
		{"of another project", "/hooks/p1/agent.message", "", "two", 401, "", ""},
		{"the body is not believed", "/hooks", "p1", "two", 401, "", ""},
		{"the tenant's, whatever is named", "/hooks/p1/agent.message", "p2", "tenant", 200, "", "p2"},
		{"unnamed", "/hooks", "", "one", 200, "p1", "p1"},
		{"an unknown project with a known secret", "/hooks/p3/agent.message", "", "one", 401, "", ""},
		{"an unknown project under the tenant's", "/hooks/p3/agent.message", "", "tenant", 200, "", ""},
	} {
		got = nil
		answer := hooktest.Deliver(t, mux, event(c.body), hooktest.To(c.path), hooktest.SignedWith(c.secret))
		require.Equal(t, c.status, answer.Code, c.name)
		require.Equal(t, c.project, h.Outcomes.Last(t).Project, c.name)
		if c.status == 200 {
			require.Equal(t, c.ofEvent, got.ProjectID, c.name)
		}
	}
	out := h.Project("p9").Dispatch(t.Context(), &sonzaihook.Delivery{Project: "other", Body: event("")})
	require.Equal(t, []any{"processed", "p9"}, []any{out.Code, out.Project})
	require.Equal(t, "p9", got.ProjectID)
}

func TestChangingOneProjectsSecretsTouchesNoOther(t *testing.T) {
	t.Parallel()
	h, mux := withProjects(t)
	accepts := func(project, secret string) bool {
		return hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks/"+project+"/agent.message"), hooktest.SignedWith(secret)).Code == 200
	}
	p1, p2 := h.Project("p1"), h.Project("p2")
	require.NoError(t, p1.Rotate(sonzaihook.EventMessage, "one", 0))
	require.NoError(t, p2.Rotate(sonzaihook.EventMessage, "two", 0))
	require.True(t, accepts("p1", "one") && accepts("p2", "two"))
	require.NoError(t, p1.Rotate(sonzaihook.EventMessage, "uno", 0))
	require.False(t, accepts("p1", "one"))
	require.True(t, accepts("p1", "uno") && accepts("p2", "two") && accepts("p1", "tenant"))
	require.NoError(t, h.SetSecrets(sonzaihook.Secret("landlord")))
	require.True(t, accepts("p1", "uno") && accepts("p2", "two") && accepts("p1", "landlord"))
	require.False(t, accepts("p1", "tenant"))
	require.NoError(t, p2.SetSecrets(secretsOf("due")))
	require.True(t, accepts("p1", "uno") && accepts("p2", "due"))

	require.True(t, p1.HasSecret(sonzaihook.EventMessage))
	require.False(t, p1.HasSecret(sonzaihook.EventWakeup), "the tenant's count for the tenant")
	require.False(t, h.Project("p3").HasSecret(sonzaihook.EventMessage), "p2's is not p3's")
	require.Equal(t, "p1", p1.ID())
	require.Equal(t, h.Types(), p1.Types())
	require.ErrorIs(t, p1.SetSecrets(nil), sonzaihook.ErrInvalidSecret)
	require.ErrorIs(t, p1.Rotate("", "x", 0), sonzaihook.ErrInvalidOption)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", p1, p1, p1), "uno")
	require.Panics(t, func() { h.Project("") })
}

func TestOneProjectCannotKeepAnothersEventsFromRunning(t *testing.T) {
	t.Parallel()
	h, mux := withProjects(t)
	require.NoError(t, h.Project("p1").SetSecrets(secretsOf("one")))
	require.NoError(t, h.Project("p2").SetSecrets(secretsOf("two")))
	body := event("")
	for _, c := range [][2]string{{"p1", "one"}, {"p2", "two"}, {"p3", "tenant"}} {
		answer := hooktest.Deliver(t, mux, body, hooktest.To("/hooks/"+c[0]+"/agent.message"), hooktest.SignedWith(c[1]))
		require.Equal(t, "processed", code(t, answer), c[0])
	}
	require.Equal(t, 3, h.Runs.Len())
}

func TestOfManyProjectsEightAreTriedForADeliveryThatNamesNone(t *testing.T) {
	t.Parallel()
	h, mux := withProjects(t)
	for i := range 20 {
		require.NoError(t, h.Project(fmt.Sprint("p", i)).SetSecrets(secretsOf(fmt.Sprint("secret", i))))
	}
	accepted := 0
	for i := range 20 {
		answer := hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks"), hooktest.SignedWith(fmt.Sprint("secret", i)))
		if answer.Code == 200 {
			accepted++
		}
	}
	require.Equal(t, 8, accepted)
	require.Contains(t, h.Log.String(), "name the project in the URL")
	for i := range 20 {
		answer := hooktest.Deliver(t, mux, event(fmt.Sprint("p", i)), hooktest.To("/hooks"), hooktest.SignedWith(fmt.Sprint("secret", i)))
		require.Equal(t, 200, answer.Code, i)
	}
}

// source is a secret source that a test can change.
type source struct {
	mu      sync.Mutex
	secrets map[string]sonzaihook.Secrets
	fail    error
	hang    chan struct{}
	asked   map[string]int
}

func (s *source) ask(_ context.Context, project string) (sonzaihook.Secrets, error) {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[project]++
	secrets, fail, hang := s.secrets[project], s.fail, s.hang
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	switch {
	case fail != nil:
		return nil, fail
	case secrets == nil:
		return nil, fmt.Errorf("no row: %w", sonzaihook.ErrUnknownProject)
	}
	return secrets, nil
}

func (s *source) set(project string, secrets sonzaihook.Secrets, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets == nil {
		s.secrets = map[string]sonzaihook.Secrets{}
	}
	s.secrets[project], s.fail = secrets, fail
}

func (s *source) count(project string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[project]
}

func TestASourceKnowsTheSecretsOfProjects(t *testing.T) {
	t.Parallel()
	inBubble(t, "source", func(t *testing.T) {
		s := &source{}
		s.set("p1", secretsOf("one"), nil)
		h, mux := withProjects(t, sonzaihook.WithSecretSource(s.ask))
		status := func(project, secret string) int {
			return hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks/"+project+"/agent.message"), hooktest.SignedWith(secret)).Code
		}
		require.Equal(t, 200, status("p1", "one"))
		require.Equal(t, 200, status("p1", "one"))
		require.Equal(t, 1, s.count("p1"), "an answer is kept")
		require.Equal(t, 200, status("p2", "tenant"))

		s.set("p1", secretsOf("uno"), nil)
		require.Equal(t, 200, status("p1", "uno"), "the platform has rotated: it is asked again before a 401")
		require.Equal(t, 200, status("p1", "one"), "what the answer no longer has is in its grace")
		require.True(t, h.Outcomes.Last(t).Retiring)
		time.Sleep(sonzaihook.DefaultTolerance)
		require.Equal(t, 401, status("p1", "one"))

		require.Equal(t, 401, status("p3", "three"))
		s.set("p3", secretsOf("three"), nil)
		require.Equal(t, 200, status("p3", "three"), "a new project need not wait for a minute")

		s.set("p1", secretsOf("uno"), errors.New("down"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, 200, status("p1", "uno"), "a known answer is served while the source fails")
		require.Equal(t, 503, status("p1", "other"))
		require.Equal(t, 503, status("p4", "four"))
		require.ErrorIs(t, h.Outcomes.Last(t).Err, sonzaihook.ErrSecretSource)
		require.Equal(t, 401, hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks"), hooktest.SignedWith("uno")).Code, "never tried unnamed")

		s.set("p1", secretsOf("uno"), nil)
		require.NoError(t, h.Project("p1").Rotate(sonzaihook.EventMessage, "newest", time.Minute))
		require.Equal(t, 200, status("p1", "newest"))
		require.Equal(t, 200, status("p1", "uno"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, 401, status("p1", "uno"), "a rotation lies over the source")
		require.Equal(t, 200, status("p1", "newest"))
		require.NoError(t, h.Project("p3").SetSecrets(secretsOf("given")))
		require.Equal(t, 401, status("p3", "three"), "secrets that were given are not asked for")
	})
}

func TestASourceThatHangsIsAskedOnceAndFails(t *testing.T) {
	t.Parallel()
	inBubble(t, "hang", func(t *testing.T) {
		s := &source{hang: make(chan struct{})}
		_, mux := withProjects(t, sonzaihook.WithSecretSource(s.ask))
		var wg sync.WaitGroup
		began := time.Now()
		for range 50 {
			wg.Go(func() {
				answer := hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks/p1/agent.message"), hooktest.SignedWith("one"))
				require.Equal(t, "retry_later", code(t, answer))
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, 1, s.count("p1"))
		close(s.hang)
	})
}

func TestAFloodOfInventedProjectsCostsABound(t *testing.T) {
	t.Parallel()
	inBubble(t, "flood", func(t *testing.T) {
		s := &source{}
		_, mux := withProjects(t, sonzaihook.WithSecretSource(s.ask))
		codes := map[int]int{}
		for i := range 1000 {
			answer := hooktest.Deliver(t, mux, event(""), hooktest.To(fmt.Sprintf("/hooks/invented%d/agent.message", i)), hooktest.SignedWith("x"))
			codes[answer.Code]++
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		require.LessOrEqual(t, len(s.asked), 50)
		require.Equal(t, 1000, codes[401]+codes[503])
		require.GreaterOrEqual(t, codes[503], 950)
	})
}

func TestAnAnswerOfASourceThatNewWouldRefuseIsAFailure(t *testing.T) {
	t.Parallel()
	s := &source{}
	s.set("p1", secretsOf(`"quoted"`), nil)
	_, mux := withProjects(t, sonzaihook.WithSecretSource(s.ask))
	answer := hooktest.Deliver(t, mux, event(""), hooktest.To("/hooks/p1/agent.message"), hooktest.SignedWith("x"))
	require.Equal(t, "retry_later", code(t, answer))
}

func TestProjectsMayBeAddedAndRotatedWhileDeliveriesVerify(t *testing.T) {
	t.Parallel()
	h, mux := withProjects(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := h.Project(fmt.Sprint("p", i%4))
			for n := range 50 {
				secret := fmt.Sprint("secret", i, n)
				require.NoError(t, p.Rotate(sonzaihook.EventType(fmt.Sprint("type", i)), secret, time.Minute))
				body := fmt.Appendf(nil, `{"event_type":"type%d","event_id":"%d.%d"}`, i, i, n)
				answer := hooktest.Deliver(t, mux, body, hooktest.To("/hooks/"+p.ID()+"/x"), hooktest.SignedWith(secret))
				require.Equal(t, 200, answer.Code)
			}
		})
	}
	wg.Wait()
}

// No delivery that one project's secret verified is ever handed on as another's.
func FuzzProjects(f *testing.F) {
	f.Add("p1", "p2", "agent.message", uint8(0))
	f.Add("", "p1", "", uint8(1))
	f.Add("p2", "", "x", uint8(2))
	f.Fuzz(func(t *testing.T, path, inBody, typ string, signer uint8) {
		owners := []string{"", "p1", "p2"}
		owner := owners[int(signer)%len(owners)]
		hooks, err := sonzaihook.New(sonzaihook.Secret("of:"))
		require.NoError(t, err)
		for _, p := range owners[1:] {
			require.NoError(t, hooks.Project(p).SetSecrets(sonzaihook.Secrets{sonzaihook.AnyEvent: {"of:" + p}}))
		}
		body := fmt.Appendf(nil, `{"event_type":%q,"project_id":%q}`, strings.ToValidUTF8(typ, ""), strings.ToValidUTF8(inBody, ""))
		header := http.Header{sonzaihook.SignatureHeader: {sonzaihook.Sign(body, "of:"+owner, time.Now())}}
		out := hooks.ReceiveProject(t.Context(), path, header, body)
		if out.Status == 200 {
			require.Equal(t, owner, out.Project)
		} else if out.Code != sonzaihook.CodeUnauthorized {
			require.Equal(t, sonzaihook.CodeUndecodable, out.Code)
		}
	})
}

func TestSecretsAreReadFromADirectory(t *testing.T) {
	t.Parallel()
	good := fstest.MapFS{
		"agent.message":           {Data: []byte("whsec_new\nwhsec_old\n")},
		"on_wakeup_ready":         {Data: []byte("whsec_w\r\n\r\n")},
		"*":                       {Data: []byte("whsec_any")},
		"..data":                  {Data: []byte("whsec_hidden")},
		"..2026_11_25/agent.x":    {Data: []byte("whsec_hidden")},
		".gitignore":              {Data: []byte("*")},
		"directory/agent.message": {Data: []byte("whsec_hidden")},
	}
	secrets, err := sonzaihook.SecretsFromDir(good)
	require.NoError(t, err)
	require.Equal(t, map[sonzaihook.EventType][]string{
		"agent.message": {"whsec_new", "whsec_old"}, "on_wakeup_ready": {"whsec_w"}, "*": {"whsec_any"},
	}, map[sonzaihook.EventType][]string(secrets))
	for name, dir := range map[string]fstest.MapFS{
		"nothing":             {},
		"an empty file":       {"agent.message": {}},
		"a blank file":        {"agent.message": {Data: []byte("\n \n")}},
		"a quoted secret":     {"agent.message": {Data: []byte(`"whsec_a"`)}},
		"an assignment":       {"agent.message": {Data: []byte("SECRET=whsec_a")}},
		"a byte order mark":   {"agent.message": {Data: []byte("\ufeffwhsec_a")}},
		"one bad among good":  {"agent.message": {Data: []byte("whsec_a")}, "agent.wakeup": {}},
		"far too much for it": {"agent.message": {Data: make([]byte, 1<<20)}},
	} {
		_, err := sonzaihook.SecretsFromDir(dir)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret, name)
		require.NotContains(t, err.Error(), "whsec_a", name)
	}
}

func TestSecretsAreReadFromTheEnvironment(t *testing.T) {
	t.Setenv("SONZAI_AGENT_MESSAGE", "whsec_m")
	t.Setenv("SONZAI_ON_WAKEUP_READY", "whsec_new,whsec_old")
	t.Setenv("SONZAI_MEMORY_CREATED", "whsec_c")
	t.Setenv("SONZAI_BASE_URL", "https://api.sonz.ai")
	secrets, err := sonzaihook.SecretsFromEnv("SONZAI")
	require.NoError(t, err)
	require.Equal(t, map[sonzaihook.EventType][]string{
		"agent.message": {"whsec_m"}, "on_wakeup_ready": {"whsec_new", "whsec_old"}, "memory.created": {"whsec_c"},
	}, map[sonzaihook.EventType][]string(secrets))
	_, err = sonzaihook.SecretsFromEnv("OTHER")
	require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret)
	t.Setenv("SONZAI_AGENT_WAKEUP", "${WAKEUP}")
	_, err = sonzaihook.SecretsFromEnv("SONZAI")
	require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret)
	require.ErrorContains(t, err, "SONZAI_AGENT_WAKEUP")
}

func TestASecretThatCarriesItsPackagingIsRefusedWhereItIsGiven(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	for secret, what := range map[string]string{
		`"whsec_abc"`: "quotes", `'abc'`: "quotes", "`abc`": "quotes", "“abc”": "quotes", `whsec_"abc"`: "quotes", "«abc»": "quotes",
		"SECRET=whsec_abc": "variable", "export SECRET=whsec_abc": "variable", `SECRET="abc"`: "variable", "secret: whsec_abc": "variable",
		"${SECRET}": "placeholder", "$(cat secret)": "placeholder", "{{ .Secret }}": "placeholder",
		"\ufeffwhsec_abc": "byte order mark", "whsec_abc\u200b": "invisible", "whsec_a\u202ebc": "invisible", "whsec_a\u00a0bc": "invisible",
		"whsec_a\nbc": "line break", "whsec_a\x00bc": "control", "whsec_abc ": "white space", " whsec_abc": "white space", "whsec_abc\r\n": "white space",
		"": "empty", "whsec_": "empty",
	} {
		_, err := sonzaihook.New(sonzaihook.Secret(secret))
		for _, err := range []error{err, h.SetSecrets(sonzaihook.Secret(secret)), h.Rotate(sonzaihook.EventMessage, secret, 0), h.Project("p").Rotate("x", secret, 0)} {
			require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret, "%q", secret)
			require.ErrorContains(t, err, what, "%q", secret)
			require.NotContains(t, err.Error(), "abc")
		}
	}
	for _, good := range []string{"whsec_abc=", "a=b", "a:b", "it's", `a"b`, "$abc", "{abc", "whsec_пароль", "a b", "whsec_a+/=="} {
		_, err := sonzaihook.New(sonzaihook.Secret(good))
		require.NoError(t, err, good)
	}
	now := time.Now()
	require.NoError(t, sonzaihook.Verify(nil, sonzaihook.Sign(nil, `"abc"`, now), `"abc"`, now, time.Minute), "the functions take what they are given")
}
