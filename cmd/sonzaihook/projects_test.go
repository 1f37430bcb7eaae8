package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// thirdProject is one more project of a simulator.
const thirdProject = "proj_third"

func newLandOfProjects(t *testing.T, options ...simulator.Option) land {
	t.Helper()
	return newLand(t, append(options, simulator.WithProjects(simulator.DefaultProject, testProject, thirdProject))...)
}

// in is an event of a project.
func in(project string, event simulator.Event) simulator.Event {
	event.ProjectID = project
	return event
}

var bothProjects = []string{"--project", testProject, "--project", thirdProject}

func TestListenTakesTheEventsOfSeveralProjects(t *testing.T) {
	t.Parallel()
	// A bare wakeup has no project_id, so only the path says whose it is.
	l := newLandOfProjects(t, simulator.WithLayout(simulator.LayoutBare))
	files := filepath.Join(t.TempDir(), "secrets", projectPlace, eventPlace)
	r := l.start(t, append([]string{"listen", "--addr", "127.0.0.1:0", "--secret-file", files, "--inspect=127.0.0.1:0"}, bothProjects...)...)
	r.says(t, &r.errOut, "interrupt to unsubscribe and end")
	require.Regexp(t, `✓ 6 event types under 10 names of 2 projects registered\n  for http://\S+/\{project\}/\{event\}`, r.errOut.String())
	for _, project := range []string{testProject, thirdProject} {
		l.happens(t, simulator.Event{Type: "agent.wakeup", ID: "evt_wk", ProjectID: project, Data: map[string]any{
			"wakeup": map[string]string{"wakeup_id": "wk_1", "intent": "say hi to " + project},
		}})
		r.says(t, &r.out, "say hi to "+project)
		info, err := os.Stat(place{project, "agent.wakeup"}.fill(files, func(s string) string { return s }))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	lines := tableLines(r.out.String())
	require.Len(t, lines, 2, "one id in two projects is two events")
	require.Contains(t, lines[0], " "+testProject+" ")
	page := inspectPage(t, pageAddress.FindStringSubmatch(r.errOut.String())[1], "deliveries/1")
	require.Contains(t, page, testProject)
	require.Equal(t, console.ExitYes, r.end(t))
	for _, project := range []string{testProject, thirdProject} {
		require.Contains(t, l.fine(t, "webhooks", "list", "--project", project), "no webhooks are registered")
	}
}

func TestListenRotatesOneProjectWithoutTheOther(t *testing.T) {
	t.Parallel()
	l := newLandOfProjects(t)
	r := l.start(t, append([]string{"listen", "--addr", "127.0.0.1:0", "--type", "message", "--json"}, bothProjects...)...)
	r.says(t, &r.errOut, "interrupt to unsubscribe and end")
	l.fine(t, "webhooks", "rotate", "message", "--project", testProject) // behind its back
	l.happens(t, in(testProject, saying("msg_1", "hello")))
	r.says(t, &r.out, "\n")
	l.happens(t, in(thirdProject, saying("msg_1", "hello")))
	r.says(t, &r.out, `"processed"`)
	lines := objects(t, r.out.String())
	require.Equal(t, "unauthorized", lines[0]["outcome"])
	require.Equal(t, thirdProject, lines[1]["project_id"])
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestAnythingRegisteredIsGoneWhenALaterProjectFails(t *testing.T) {
	t.Parallel()
	l := newLandOfProjects(t)
	got := l.do(t, "listen", "--addr", "127.0.0.1:0", "--type", "message", "--project", testProject, "--project", "proj_nope")
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, "there is no such project")
	require.Contains(t, l.fine(t, "webhooks", "list", "--project", testProject), "no webhooks are registered")
}

func TestSeveralProjectsNeedTheirPlaceInNames(t *testing.T) {
	t.Parallel()
	l := newLandOfProjects(t)
	for _, test := range []struct {
		args []string
		line string
	}{
		{append([]string{"listen", "--url", "https://a.example/{event}"}, bothProjects...), "--url: several projects need {project} in it"},
		{append([]string{"listen", "--secret-file", "s/{event}"}, bothProjects...), "--secret-file: several projects need {project} in it"},
		{[]string{"listen", "--url", "https://a.example/{project}/{event}"}, "--url: with {project} in it --project is needed"},
		{[]string{"listen", "--forward-to", "http://127.0.0.1:1/{project}"}, "--forward-to: with {project} in it --project is needed"},
		{[]string{"listen", "--secret-file", "s/{project}/{event}"}, "--secret-file: with {project} in it --project is needed"},
		{[]string{"listen", "--project", "../x", "--secret-file", "s/{project}/{event}"}, `the project "../x" cannot stand in the name of a file`},
		{[]string{"replay", "--url", "http://127.0.0.1:1/{project}", "--secret", testSecret}, "--url: with {project} in it --project is needed"},
		{[]string{"replay", "--secret", "@s/{project}"}, "--secret: with {project} in it --project is needed"},
		{[]string{"send", "message", "--url", "http://127.0.0.1:1/{project}", "--secret", testSecret}, "--url: with {project} in it --project is needed"},
		{[]string{"webhooks", "register", "message", "--url", "https://a.example/{project}"}, "--url: with {project} in it --project is needed"},
	} {
		got := l.do(t, test.args...)
		require.Equal(t, console.ExitTrouble, got.code, test.args)
		require.Contains(t, got.errOut, test.line)
	}
}

// shop is a receiver of two projects, mounted below a path that names them.
type shop struct {
	url   string
	hooks *recorder.Receiver
}

// seen returns the project and the id of each event that ran.
func (s *shop) seen() (seen []string) {
	for _, run := range s.hooks.Runs.All() {
		seen = append(seen, run.Project+" "+run.ID)
	}
	return seen
}

func newShop(t *testing.T, secretOf func(project string) string) *shop {
	t.Helper()
	hooks := recorder.New(t, sonzaihook.Secret(testSecret)).HandleAll(nil)
	for _, project := range []string{testProject, thirdProject} {
		require.NoError(t, hooks.Project(project).SetSecrets(sonzaihook.Secrets{sonzaihook.EventMessage: {secretOf(project)}}))
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/{project}/{event}", hooks)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &shop{server.URL + "/hooks/{project}/{event}", hooks}
}

func TestSendGoesToTheProjectsPlaceWithItsSecret(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	secretOf := func(project string) string { return "whsec_of_" + project }
	for _, project := range []string{testProject, thirdProject} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, project), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, project, "agent.message"), []byte(secretOf(project)+"\n"), 0o600))
	}
	s := newShop(t, secretOf)
	send := []string{"send", "message", "--url", s.url, "--set", "event_id=evt_1", "--secret", "@" + folder + "/{project}/{event}"}
	for _, project := range []string{testProject, thirdProject} {
		require.Contains(t, world{}.fine(t, append(send, "--project", project)...), "200 processed")
	}
	require.Equal(t, []string{testProject + " evt_1", thirdProject + " evt_1"}, s.seen())
	got := world{}.do(t, "send", "message", "--url", s.url, "--project", testProject, "--secret", secretOf(thirdProject))
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.out, "401 unauthorized")
	body := `{"event_type":"agent.message","event_id":"evt_2","data":{}}`
	require.Contains(t, world{stdin: body}.fine(t, "send", "--body", "-", "--url", s.url, "--project", testProject, "--secret", secretOf(testProject)), "200 processed")
}

func TestReplaySendsWhatSeveralProjectsMissed(t *testing.T) {
	t.Parallel()
	l := newLandOfProjects(t)
	files := filepath.Join(t.TempDir(), projectPlace, eventPlace)
	for _, project := range []string{testProject, thirdProject} {
		l.fine(t, "webhooks", "register", "message", "--project", project, "--url", nowhere+"/{project}/{event}", "--secret-file", files)
		require.Contains(t, l.fine(t, "webhooks", "list", "--project", project), nowhere+"/"+project+"/agent.message")
		l.happens(t, in(project, saying("msg_of_"+project, "hello")))
	}
	s := newShop(t, func(project string) string {
		secret, err := reveal("@" + place{project, "agent.message"}.fill(files, func(s string) string { return s }))
		require.NoError(t, err)
		return secret
	})
	dry := tableLines(l.fine(t, append([]string{"replay", "--dry-run"}, bothProjects...)...))
	require.Equal(t, "WHEN PROJECT TYPE EVENT TRIES GOT WHAT", dry[0])
	require.Len(t, dry, 3)
	replay := append([]string{"replay", "--secret", "@" + files, "--url", s.url}, bothProjects...)
	one := l.fine(t, append(replay, "--event", "evt_msg_of_"+thirdProject, "--json")...)
	require.Equal(t, thirdProject, objects(t, one)[0]["project_id"])
	all := objects(t, l.fine(t, append(replay, "--json")...))
	require.Len(t, all, 2)
	require.Equal(t, "processed", all[0]["outcome"])
	require.Equal(t, "duplicate", all[1]["outcome"], "it was sent by itself before")
	require.Equal(t, []string{thirdProject + " evt_msg_of_" + thirdProject, testProject + " evt_msg_of_" + testProject}, s.seen())
	require.Equal(t, console.ExitNo, l.do(t, append(replay, "--event", "evt_nope")...).code)
}

func TestListenForwardsSignedAnewForEachProject(t *testing.T) {
	t.Parallel()
	l := newLandOfProjects(t)
	s := newShop(t, func(project string) string { return "whsec_of_" + project })
	folder := t.TempDir()
	for _, project := range []string{testProject, thirdProject} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, project), []byte("whsec_of_"+project), 0o600))
	}
	r := l.start(t, append([]string{"listen", "--addr", "127.0.0.1:0", "--type", "message", "--forward-to", s.url,
		"--secret", "@" + folder + "/{project}"}, bothProjects...)...)
	r.says(t, &r.errOut, "interrupt to unsubscribe and end")
	for _, project := range []string{testProject, thirdProject} {
		l.happens(t, in(project, saying("msg_1", "hello")))
	}
	require.Len(t, s.seen(), 2)
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "after 2 events")
}

func TestAPathNamesTypeAndProjectFromItsEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ address, path, project, event string }{
		{"https://a.example/hooks/{project}/{event}", "/tunnel/hooks/p1/agent.message", "p1", "agent.message"},
		{"https://a.example/hooks/{event}/of/{project}", "/hooks/agent.message/of/p%2F1", "p/1", "agent.message"},
		{"https://a.example/hooks/{project}?type={event}", "/hooks/p1?type=x", "p1", ""},
		{"https://a.example/hooks", "/hooks/p1/x", "", ""},
		{"https://a.example/hooks/{project}/{event}", "/x", "", "x"},
	} {
		var got place
		h := mountAt(test.address, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = place{r.PathValue("project"), r.PathValue("event")}
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+test.path, nil))
		require.Equal(t, place{test.project, test.event}, got, test.path)
	}
	require.Equal(t, "https://a.example/%2E%2E/x?p=a%26b", place{"..", "x"}.url("https://a.example/{project}/{event}?p=a%26b"))
}
