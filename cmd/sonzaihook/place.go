package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What stands for the event type and the project in URLs and file names.
const (
	eventPlace   = "{event}"
	projectPlace = "{project}"
)

// errNoProject means that a name needs a project and there is only the tenant.
var errNoProject = errors.New("with " + projectPlace + " in it --project is needed")

// place is what the placeholders stand for. The project is empty for the tenant.
type place struct{ project, event string }

// url fills the place into a URL. Its parts come from the platform or the command
// line, so they are escaped: they add no segment and no parameter.
func (p place) url(pattern string) string {
	path, query, found := strings.Cut(pattern, "?")
	path = p.fill(path, segment)
	if !found {
		return path
	}
	return path + "?" + p.fill(query, url.QueryEscape)
}

func segment(text string) string {
	if strings.Trim(text, ".") == "" {
		return strings.ReplaceAll(text, ".", "%2E") // no step to another folder
	}
	return url.PathEscape(text)
}

func (p place) fill(pattern string, escape func(string) string) string {
	return strings.NewReplacer(eventPlace, escape(p.event), projectPlace, escape(p.project)).Replace(pattern)
}

// file fills the place into the name of a file. A part that would name another
// folder, or no file, is an error.
func (p place) file(pattern string) (string, error) {
	switch {
	case strings.Contains(pattern, eventPlace) && !isFileName(p.event):
		return "", fmt.Errorf("the event type %q cannot stand in the name of a file", p.event)
	case !strings.Contains(pattern, projectPlace):
	case p.project == "":
		return "", errNoProject
	case !isFileName(p.project):
		return "", fmt.Errorf("the project %q cannot stand in the name of a file", p.project)
	}
	return p.fill(pattern, func(text string) string { return text }), nil
}

func isFileName(text string) bool {
	return text != "" && text != "." && text != ".." && !strings.ContainsAny(text, "/\\:\x00")
}

// checkPlaces refuses a place for a project where there is none.
func checkPlaces(flag, pattern string, projects ...string) error {
	if strings.Contains(pattern, projectPlace) && slices.Contains(projects, "") {
		return fmt.Errorf("%s: %w", flag, errNoProject)
	}
	return nil
}

// checkApart refuses a name in which several projects have no place, too.
func checkApart(flag, pattern string, projects []string) error {
	if pattern != "" && len(projects) > 1 && !strings.Contains(pattern, projectPlace) {
		return fmt.Errorf("%s: several projects need %s in it, as in …/%s/%s", flag, projectPlace, projectPlace, eventPlace)
	}
	return checkPlaces(flag, pattern, projects...)
}

// mountAt mounts the receiver at every path, because a tunnel or a proxy may change
// the beginning. What stands for the event type and the project in the address is
// found in the path by counting from its end.
func mountAt(address string, hooks http.Handler) http.Handler {
	pattern, _, _ := strings.Cut(address, "?")
	want := strings.Split(pattern, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := strings.Split(r.URL.EscapedPath(), "/")
		for name, text := range map[string]string{"event": eventPlace, "project": projectPlace} {
			i := slices.Index(want, text)
			if j := len(got) - (len(want) - i); i >= 0 && j >= 0 {
				if value, err := url.PathUnescape(got[j]); err == nil {
					r.SetPathValue(name, value)
				}
			}
		}
		hooks.ServeHTTP(w, r)
	})
}
