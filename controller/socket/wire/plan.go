package wire

// Plan asks what would be done if the manifests were others; about all sessions if
// nothing is said about them.
type Plan struct {
	// Manifests are the texts of those that are supposed to be there, in YAML.
	Manifests []string `json:"manifests,omitempty"`
	// Without are objects that are supposed to be deleted.
	Without []Key `json:"without,omitempty"`
	// Lasting is set if what is new would be put where a reboot keeps it.
	Lasting bool `json:"lasting,omitempty"`
}

// Key names an object.
type Key struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Forecasts is the answer.
type Forecasts struct {
	Items []Forecast `json:"items"`
}

// Forecast is what would become of one session.
type Forecast struct {
	Session string `json:"session"`
	// Outcome is Unchanged, Created, Changed, Recreated, Expired, Deleted, Pending for
	// one that cannot be made, or Unknown.
	Outcome string `json:"outcome"`
	// Why says why it would be taken down.
	Why string `json:"why,omitempty"`
	// Problem says why it would not be made, or why nothing can be told.
	Problem string `json:"problem,omitempty"`
	// Left says why the steps would not be taken, Waits what they would wait for.
	Left  string `json:"left,omitempty"`
	Waits string `json:"waits,omitempty"`
	// Fields are those that a running session cannot take.
	Fields []string `json:"fields,omitempty"`
	Steps  []Step   `json:"steps,omitempty"`
}

// The outcomes of a forecast.
const (
	OutcomeUnchanged = "Unchanged"
	OutcomeCreated   = "Created"
	OutcomeChanged   = "Changed"
	OutcomeRecreated = "Recreated"
	OutcomeExpired   = "Expired"
	OutcomeDeleted   = "Deleted"
	OutcomePending   = "Pending"
	OutcomeUnknown   = "Unknown"
)

// Step is one step of a plan.
type Step struct {
	// Operation is Create, Amend or Destroy; Hold for what differs and is left.
	Operation string `json:"operation"`
	// Owner is set for what is shared with others: base/KEY.
	Owner   string `json:"owner,omitempty"`
	Address string `json:"address"`
	Kind    string `json:"kind,omitempty"`
	// Name is what people know it by; of what is shared and not there yet, what it is
	// made from.
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason"`
}

// The operations of a step.
const (
	OperationCreate  = "Create"
	OperationAmend   = "Amend"
	OperationDestroy = "Destroy"
	OperationHold    = "Hold"
)

// Suspend asks for a session to be left as it is.
type Suspend struct {
	// Why is a line for people; may be empty.
	Why string `json:"why,omitempty"`
}
