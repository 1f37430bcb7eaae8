package main

import (
	"fmt"
	"net/url"
	"strings"
)

// eventPlace stands for the event type in URLs and file names.
const eventPlace = "{event}"

// urlFor fills the event type into a URL. The type comes from the platform or the
// command line, so it is escaped: it adds no segment and no parameter.
func urlFor(pattern, eventType string) string {
	path, query, found := strings.Cut(pattern, "?")
	segment := url.PathEscape(eventType)
	if strings.Trim(eventType, ".") == "" {
		segment = strings.ReplaceAll(eventType, ".", "%2E") // no step to another folder
	}
	path = strings.ReplaceAll(path, eventPlace, segment)
	if !found {
		return path
	}
	return path + "?" + strings.ReplaceAll(query, eventPlace, url.QueryEscape(eventType))
}

// fileFor fills the event type into the name of a file. A type that would name
// another folder, or no file, is an error.
func fileFor(pattern, eventType string) (string, error) {
	if !strings.Contains(pattern, eventPlace) {
		return pattern, nil
	}
	if eventType == "" || eventType == "." || eventType == ".." || strings.ContainsAny(eventType, "/\\:\x00") {
		return "", fmt.Errorf("the event type %q cannot stand in the name of a file", eventType)
	}
	return strings.ReplaceAll(pattern, eventPlace, eventType), nil
}
