package simulator

import (
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// handler handles a call: it returns the answer, or a problem as error. An
// answer of nil is 204.
type handler func(r *http.Request) (any, error)

// route is one call of the API.
type route struct {
	call   string // method and path below BasePath
	handle func(*Simulator) handler
}

// routes are all calls. Those of a project are there without it as well, for the
// project of the API key.
var routes = []route{
	{"GET /webhooks", (*Simulator).listWebhooks},
	{"PUT /webhooks/{eventType}", (*Simulator).putWebhook},
	{"DELETE /webhooks/{eventType}", (*Simulator).deleteWebhook},
	{"GET /webhooks/{eventType}/attempts", (*Simulator).listAttempts},
	{"POST /webhooks/{eventType}/rotate-secret", (*Simulator).rotateSecret},
	{"GET /projects/{projectId}/webhooks", (*Simulator).listWebhooks},
	{"PUT /projects/{projectId}/webhooks/{eventType}", (*Simulator).putWebhook},
	{"DELETE /projects/{projectId}/webhooks/{eventType}", (*Simulator).deleteWebhook},
	{"GET /projects/{projectId}/webhooks/{eventType}/attempts", (*Simulator).listAttempts},
	{"POST /projects/{projectId}/webhooks/{eventType}/rotate-secret", (*Simulator).rotateSecret},
	{"GET /channels", (*Simulator).listChannels},
	{"POST /channels", (*Simulator).createChannel},
	{"GET /channels/{channelId}", (*Simulator).getChannel},
	{"PUT /channels/{channelId}", (*Simulator).updateChannel},
	{"DELETE /channels/{channelId}", (*Simulator).deleteChannel},
	{"GET /projects/{projectId}/channels", (*Simulator).listChannels},
	{"POST /projects/{projectId}/channels", (*Simulator).createChannel},
	{"GET /projects/{projectId}/channels/{channelId}", (*Simulator).getChannel},
	{"PUT /projects/{projectId}/channels/{channelId}", (*Simulator).updateChannel},
	{"DELETE /projects/{projectId}/channels/{channelId}", (*Simulator).deleteChannel},
	{"GET /projects/{projectId}/notifications", (*Simulator).listNotifications},
	{"POST /projects/{projectId}/notifications/acknowledge", (*Simulator).acknowledge},
	{"POST /projects/{projectId}/notifications/acknowledge-all", (*Simulator).acknowledgeAll},
	{"GET /agents/{agentId}/notifications", (*Simulator).listMessages},
	{"GET /agents/{agentId}/notifications/history", (*Simulator).listHistory},
	{"POST /agents/{agentId}/notifications/{messageId}/consume", (*Simulator).consumeMessage},
	{"GET /agents/{agentId}/wakeups", (*Simulator).listWakeups},
	{"POST /agents/{agentId}/wakeups", (*Simulator).scheduleWakeup},
}

// Calls returns the calls of the API as [CallFault] names them: the method and
// the path below [BasePath].
func Calls() []string {
	calls := make([]string, len(routes))
	for i, r := range routes {
		calls[i] = r.call
	}
	return calls
}

func (s *Simulator) newRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes {
		method, below, _ := strings.Cut(r.call, " ")
		mux.Handle(method+" "+BasePath+below, s.serve(r.call, r.handle(s)))
	}
	mux.Handle("POST "+EmitPath, s.serve("", s.emitOverHTTP))
	mux.HandleFunc("/", s.notFound)
	return mux
}

// ServeHTTP answers the calls of the API.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if escaped := r.URL.EscapedPath(); escaped == "" || path.Clean(escaped) != escaped {
		s.notFound(w, r) // instead of the redirect of the mux
		return
	}
	s.routes.ServeHTTP(w, r)
}

// serve wraps a call with what all calls have in common.
func (s *Simulator) serve(call string, handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.forCall(call)
		if !pause(s.ctx, fault.Delay) || fault.Drop {
			panic(http.ErrAbortHandler)
		}
		if fault.Status != 0 || fault.HTML {
			writeFault(w, fault)
			return
		}
		answer, err := s.answer(r, handle)
		if fault.DropAnswer {
			panic(http.ErrAbortHandler)
		}
		if p, ok := errors.AsType[problem](err); ok {
			writeProblem(w, p)
			return
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if c, ok := answer.(created); ok {
			writeJSON(w, http.StatusCreated, c.answer)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

// answer checks who calls and about which project before it handles the call.
func (s *Simulator) answer(r *http.Request, handle handler) (any, error) {
	if s.ctx.Err() != nil {
		return nil, fail(http.StatusServiceUnavailable, "the simulator is closed")
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(key), []byte(s.settings.apiKey)) != 1 {
		return nil, fail(http.StatusUnauthorized, "the API key is missing or wrong")
	}
	if _, ok := s.project(r.PathValue("projectId")); !ok {
		return nil, fail(http.StatusNotFound, "there is no such project")
	}
	return handle(r)
}

// writeFault answers what a fault says.
func writeFault(w http.ResponseWriter, fault CallFault) {
	if fault.RetryAfter > 0 {
		seconds := (fault.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if fault.Status == 0 {
		fault.Status = http.StatusOK
	}
	if fault.HTML {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(fault.Status)
		_, _ = io.WriteString(w, "<!doctype html><title>A web page</title>")
		return
	}
	writeProblem(w, fail(fault.Status, "the simulator was told to answer so"))
}

// notFound answers what no route takes, also a wrong method.
func (s *Simulator) notFound(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.routes.Handler(other); strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && r.URL.EscapedPath() == path.Clean(r.URL.EscapedPath()) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, fail(http.StatusMethodNotAllowed, "the call takes %s", strings.Join(allowed, ", ")))
		return
	}
	if !strings.HasPrefix(r.URL.Path, BasePath+"/") {
		writeProblem(w, fail(http.StatusNotFound, "the API lives below %s", BasePath))
		return
	}
	writeProblem(w, fail(http.StatusNotFound, "there is no such call"))
}
