package otelhook

import "go.opentelemetry.io/otel/attribute"

// The names of the semantic conventions for messaging, which are still in
// development: a change of theirs is a change here.
const (
	systemKey        = attribute.Key("messaging.system")
	operationNameKey = attribute.Key("messaging.operation.name")
	operationTypeKey = attribute.Key("messaging.operation.type")
	messageIDKey     = attribute.Key("messaging.message.id")
	eventTypeKey     = attribute.Key("cloudevents.event_type")
	errorTypeKey     = attribute.Key("error.type")
	processDuration  = "messaging.process.duration"
)

// Attributes of spans that no convention names.
const (
	codeKey   = attribute.Key("sonzaihook.code")
	sourceKey = attribute.Key("sonzaihook.source")
	reasonKey = attribute.Key("sonzaihook.reason")
)

var system = systemKey.String("sonzai")
