package platformspec

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// document writes the facts as an OpenAPI document.
func (f facts) document() ([]byte, error) {
	paths := map[string]map[string]any{}
	for call, c := range f.calls {
		method, path, _ := strings.Cut(call, " ")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(method)] = c.operation(path)
	}
	schemas := map[string]any{}
	for name, o := range f.objects {
		schemas[name] = o.schema()
	}
	return json.Marshal(map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "What the tests know of the platform", "version": "1"},
		"servers": []any{map[string]any{"url": "/api/v1"}},
		"paths":   paths,
		"components": map[string]any{
			"schemas":         schemas,
			"securitySchemes": map[string]any{"apiKey": map[string]any{"type": "http", "scheme": "bearer"}},
		},
	})
}

func (c callFacts) operation(path string) map[string]any {
	parameters := []any{}
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			parameters = append(parameters, map[string]any{
				"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true,
				"schema": map[string]any{"type": "string"},
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		p := c.query[name]
		schema := map[string]any{"type": p.kind}
		if p.max > 0 {
			schema["minimum"], schema["maximum"] = p.min, p.max
		}
		parameters = append(parameters, map[string]any{"name": name, "in": "query", "schema": schema})
	}
	operation := map[string]any{
		"parameters": parameters,
		"responses":  map[string]any{"default": content("application/problem+json", problemObject)},
		"security":   []any{map[string]any{"apiKey": []any{}}},
	}
	good := operation["responses"].(map[string]any)
	if c.answer == "" {
		good["204"] = map[string]any{"description": "done"}
	} else {
		good[strconv.Itoa(c.status())] = content("application/json", c.answer)
	}
	if c.body != "" {
		body := content("application/json", c.body)
		body["required"] = true
		operation["requestBody"] = body
	}
	return operation
}

func content(mediaType, name string) map[string]any {
	return map[string]any{
		"description": name,
		"content":     map[string]any{mediaType: map[string]any{"schema": reference(name)}},
	}
}

func reference(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (o object) schema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for name, m := range o {
		properties[name] = m.schema()
		if m.required {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return map[string]any{
		"type": "object", "additionalProperties": false, "properties": properties, "required": required,
	}
}

func (m member) schema() map[string]any {
	if element, ok := strings.CutPrefix(m.kind, "[]"); ok {
		items := map[string]any{"type": "string"}
		if element != "string" {
			items = reference(element)
		}
		return map[string]any{"type": []string{"array", "null"}, "items": items}
	}
	switch m.kind {
	case "any":
		return map[string]any{}
	case "date-time", "uri":
		return map[string]any{"type": "string", "format": m.kind}
	case "base64":
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	return map[string]any{"type": m.kind}
}
