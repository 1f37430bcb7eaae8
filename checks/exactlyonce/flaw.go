package main

// Flaw is a deliberate fault, which the check must find.
type Flaw string

// The flaws.
const (
	NoFlaw         Flaw = ""
	MarksFirst     Flaw = "done is marked before the effect is written"
	CommitsOutside Flaw = "the effect has a transaction apart from done"
	WithoutFence   Flaw = "a former holder may commit its effect"
	AnswersEarly   Flaw = "202 is answered before the queue has committed"
)
