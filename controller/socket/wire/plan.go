package wire

// Plan asks what would be done if some manifests were there.
type Plan struct {
	// Manifests are their texts, in YAML; about all sessions if there are none.
	Manifests []string `json:"manifests,omitempty"`
}

// Forecasts is the answer.
type Forecasts struct {
	Items []Forecast `json:"items"`
}

// Forecast is what would be done about one session.
type Forecast struct {
	Session string `json:"session"`
	// Problem says why it cannot be told, or why nothing would be done.
	Problem string `json:"problem,omitempty"`
	// Gone is set if it would be taken down, Anew if it would be made anew.
	Gone bool `json:"gone,omitempty"`
	Anew bool `json:"anew,omitempty"`
	// Left says why the steps would not be taken.
	Left string `json:"left,omitempty"`
	// Fields are those that a running session cannot take.
	Fields []string `json:"fields,omitempty"`
	Steps  []Step   `json:"steps,omitempty"`
}

// Step is one step of a plan.
type Step struct {
	// Operation is Create, Amend or Destroy; Hold for what differs and is left.
	Operation string `json:"operation"`
	// Owner is set for what is shared with others: base/KEY.
	Owner   string `json:"owner,omitempty"`
	Address string `json:"address"`
	Kind    string `json:"kind,omitempty"`
	Name    string `json:"name,omitempty"`
	Reason  string `json:"reason"`
}

// Suspend asks for a session to be left as it is.
type Suspend struct {
	// Why is a line for people; may be empty.
	Why string `json:"why,omitempty"`
}
