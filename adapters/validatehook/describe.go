package validatehook

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/go-playground/validator/v10"
)

// formats are the rules about what a text is.
var formats = map[string]string{
	"email":            "must be an email address",
	"url":              "must be a URL",
	"http_url":         "must be an HTTP URL",
	"uri":              "must be a URI",
	"uuid":             "must be a UUID",
	"uuid4":            "must be a UUID of version 4",
	"ip":               "must be an IP address",
	"hostname_rfc1123": "must be a host name",
	"datetime":         "must be a time",
	"json":             "must be JSON",
	"unique":           "must not repeat an element",
}

// bounds are the rules that compare with their parameter.
var bounds = map[string]string{
	"min": "must be at least ",
	"gte": "must be at least ",
	"max": "must be at most ",
	"lte": "must be at most ",
	"gt":  "must be more than ",
	"lt":  "must be less than ",
	"len": "must be exactly ",
	"eq":  "must be ",
	"ne":  "must not be ",
}

// describe says what is wrong in words, of the rule and its parameter only. What
// it has no words for it quotes as it stands in the tag.
func describe(failure validator.FieldError, parent reflect.Type) string {
	tag, param := failure.Tag(), failure.Param()
	if text, ok := formats[tag]; ok {
		return text
	}
	if text, ok := bounds[tag]; ok && param != "" {
		return bound(text, tag, param, failure.Kind())
	}
	switch tag {
	case "required":
		return "is required"
	case "required_without", "required_without_all":
		return "is required without " + siblings(parent, param)
	case "required_with", "required_with_all":
		return "is required with " + siblings(parent, param)
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(param), ", ")
	}
	rule := tag
	if param != "" {
		rule += "=" + param
	}
	return "does not satisfy " + strconv.Quote(rule)
}

// bound says what the size of something must be, in what it is counted.
func bound(text, tag, param string, kind reflect.Kind) string {
	switch {
	case kind == reflect.String && tag != "eq" && tag != "ne":
		return text + param + " characters long"
	case kind == reflect.Slice, kind == reflect.Array, kind == reflect.Map:
		return strings.Replace(text, " be ", " have ", 1) + param + " elements"
	}
	return text + param
}

// siblings returns the names in the JSON of fields that a parameter lists.
func siblings(parent reflect.Type, param string) string {
	names := strings.Fields(param)
	for i, goName := range names {
		names[i], _, _ = field(parent, goName)
	}
	return strings.Join(names, ", ")
}
