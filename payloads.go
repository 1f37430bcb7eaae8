package sonzaihook

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// The payloads. The platform documents messages, moods, memories and so on as its
// REST API returns them, and does not document the deliveries; these structs follow
// the REST API. Numbers may come as integers, arrays may be null, times may be
// absent. Fields that a struct does not have are in [Event.Raw].

// Message is the payload of [EventMessage]: an agent has something to say. A
// message that was polled from an agent has all of these fields; one in the short
// form of the platform's guides (id, type, content) has only MessageID, CheckType
// and Content.
type Message struct {
	MessageID string `json:"message_id"`
	// Content is the text. GeneratedMessage is the same text under the name that
	// the REST API uses. Both are set if one was sent.
	Content          string    `json:"content" validate:"required"`
	GeneratedMessage string    `json:"generated_message"`
	CheckType        string    `json:"check_type"`
	Intent           string    `json:"intent"`
	WakeupID         string    `json:"wakeup_id"`
	Status           string    `json:"status"`
	CreatedAt        time.Time `json:"created_at"`
}

// MoodChange is the payload of [EventMoodChange]. The four dimensions run from 0
// to 100; a tension of 0 is tense, one of 100 calm. The deltas are what the
// change added to each.
type MoodChange struct {
	Valence          float64   `json:"valence"`
	Arousal          float64   `json:"arousal"`
	Tension          float64   `json:"tension"`
	Affiliation      float64   `json:"affiliation"`
	Label            string    `json:"label"`
	DeltaValence     float64   `json:"delta_valence"`
	DeltaArousal     float64   `json:"delta_arousal"`
	DeltaTension     float64   `json:"delta_tension"`
	DeltaAffiliation float64   `json:"delta_affiliation"`
	TriggerType      string    `json:"trigger_type"`
	TriggerReason    string    `json:"trigger_reason"`
	Timestamp        time.Time `json:"timestamp"`
}

// MemoryAdded is the payload of [EventMemoryAdded]: a fact that an agent has
// learned.
type MemoryAdded struct {
	FactID string `json:"fact_id"`
	// AtomicText is the fact in one sentence. Content is the same text under the
	// name that stored facts use. Both are set if one was sent.
	AtomicText string    `json:"atomic_text" validate:"required_without=FactID"`
	Content    string    `json:"content"`
	FactType   string    `json:"fact_type"`
	Importance float64   `json:"importance"`
	Confidence float64   `json:"confidence"`
	Sentiment  string    `json:"sentiment"`
	Entities   []string  `json:"entities"`
	TopicTags  []string  `json:"topic_tags"`
	SessionID  string    `json:"session_id"`
	NodeID     string    `json:"node_id"`
	CreatedAt  time.Time `json:"created_at"`
}

// Breakthrough is the payload of [EventBreakthrough]: an agent has reached a new level
// of its personality, which the narrative tells.
type Breakthrough struct {
	BreakthroughID      string    `json:"breakthrough_id"`
	BreakthroughNumber  int       `json:"breakthrough_number"`
	LevelAtBreakthrough int       `json:"level_at_breakthrough"`
	Narrative           string    `json:"narrative"`
	TraitEvolved        string    `json:"trait_evolved"`
	PersonalityShifts   []string  `json:"personality_shifts"`
	NewGoals            []string  `json:"new_goals"`
	AchievedGoals       []string  `json:"achieved_goals"`
	SkillPointsAwarded  int       `json:"skill_points_awarded"`
	Acknowledged        bool      `json:"acknowledged"`
	CreatedAt           time.Time `json:"created_at"`
}

// Wakeup is the payload of [EventWakeup]: a time has come at which an agent
// wanted to speak.
type Wakeup struct {
	// WakeupID is the id of the wakeup, also where it was sent inside of Wakeup.
	WakeupID string          `json:"wakeup_id"`
	Wakeup   ScheduledWakeup `json:"wakeup"`
	// MemoryContext is what the agent remembers for the occasion: any JSON, or
	// nil where there is none.
	MemoryContext    json.RawMessage `json:"memory_context"`
	HasEnergy        bool            `json:"has_energy"`
	GeneratedMessage string          `json:"generated_message"`
}

// ScheduledWakeup is the wakeup that a [Wakeup] event is about.
type ScheduledWakeup struct {
	WakeupID         string    `json:"wakeup_id"`
	AgentID          string    `json:"agent_id"`
	UserID           string    `json:"user_id"`
	CheckType        string    `json:"check_type"`
	Intent           string    `json:"intent"`
	ScheduledAt      time.Time `json:"scheduled_at"`
	Status           string    `json:"status"`
	Occasion         string    `json:"occasion"`
	InterestTopic    string    `json:"interest_topic"`
	EventDescription string    `json:"event_description"`
	LastTopic        string    `json:"last_topic"`
	ResearchSummary  string    `json:"research_summary"`
	ExecutedAt       time.Time `json:"executed_at"`
	CreatedAt        time.Time `json:"created_at"`
}

// Consolidation is the payload of [EventConsolidation]: an agent's memories of a day
// or a week were summed up.
type Consolidation struct {
	Period                 string       `json:"period"` // "daily" or "weekly"
	DaysProcessed          int          `json:"days_processed"`
	ConsolidationProcessed int          `json:"consolidation_processed"`
	WeeklyConsolidations   int          `json:"weekly_consolidations"`
	DiaryEntriesCreated    int          `json:"diary_entries_created"`
	DiaryEntries           []DiaryEntry `json:"diary_entries"`
}

// DiaryEntry is a page of an agent's diary. Date is a day, as the platform
// writes it ("2026-03-01").
type DiaryEntry struct {
	Date    string   `json:"date"`
	Content string   `json:"content"`
	Mood    string   `json:"mood"`
	Topics  []string `json:"topics"`
}

// The functions below fill fields from their other names and from the envelope, and
// return the natural key: the id of the message, fact and so on, empty if it has none.

func completeMessage(e *MessageEvent, env *wire.Envelope) string {
	m, kind := &e.Data, env.Inner.Type
	if named := env.EventType != "" || env.Event != ""; !env.Nested && named && env.Type != string(EventMessage) {
		kind = env.Type // "event_type" or "event" has the type of the event, so "type" is the message's
	}
	m.MessageID = cmp.Or(m.MessageID, env.Inner.ID)
	m.CheckType = cmp.Or(m.CheckType, kind)
	m.Content = cmp.Or(m.Content, m.GeneratedMessage)
	m.GeneratedMessage = m.Content
	m.CreatedAt = wire.FirstTime(m.CreatedAt, env.Time())
	return m.MessageID
}

func completeMoodChange(e *MoodChangeEvent, env *wire.Envelope) string {
	e.Data.Timestamp = wire.FirstTime(e.Data.Timestamp, env.Timestamp, env.Time())
	return ""
}

func completeMemoryAdded(e *MemoryAddedEvent, env *wire.Envelope) string {
	m := &e.Data
	m.AtomicText = cmp.Or(m.AtomicText, m.Content)
	m.Content = cmp.Or(m.Content, m.AtomicText)
	m.CreatedAt = wire.FirstTime(m.CreatedAt, env.Time())
	return ""
}

func completeBreakthrough(e *BreakthroughEvent, env *wire.Envelope) string {
	e.Data.CreatedAt = wire.FirstTime(e.Data.CreatedAt, env.Time())
	return e.Data.BreakthroughID
}

// completeWakeup returns a key with the scheduled time, because a recurring wakeup
// keeps its id.
func completeWakeup(e *WakeupEvent, _ *wire.Envelope) string {
	w := &e.Data
	w.WakeupID = cmp.Or(w.WakeupID, w.Wakeup.WakeupID)
	w.Wakeup.WakeupID = w.WakeupID
	e.AgentID = cmp.Or(e.AgentID, w.Wakeup.AgentID)
	e.UserID = cmp.Or(e.UserID, w.Wakeup.UserID)
	if wire.IsPlaceholder(w.WakeupID) || w.Wakeup.ScheduledAt.IsZero() {
		return w.WakeupID
	}
	return w.WakeupID + "@" + w.Wakeup.ScheduledAt.UTC().Format(time.RFC3339Nano)
}

func completeConsolidation(*ConsolidationEvent, *wire.Envelope) string { return "" }
