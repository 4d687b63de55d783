package args

// Action is what is to be done.
type Action int

// The actions. Without one, a session is begun, run and ended.
const (
	Automatic Action = iota
	Help
	Version
	List
	Info
	Config
	Location
	Begin
	Recover
	Run
	End
)

// OfSessions reports whether the action is about sessions that there are: names
// without a namespace are those of sessions then.
func (a Action) OfSessions() bool { return a == Recover || a == Run || a == End }

// Pair is a key with its value.
type Pair struct{ Key, Value string }

// Options are what a command line asks for.
type Options struct {
	Action Action
	// Chroots are the names that were given, as they were.
	Chroots []string
	// AllChroots, AllSources and AllSessions select all of a namespace, aliases
	// included but for ExcludeAliases.
	AllChroots, AllSources, AllSessions, ExcludeAliases bool
	// Name is the new session's; "" to have one chosen.
	Name string

	Quiet, Verbose, Force bool
	// Directory, Shell and User are "" if they are not given.
	Directory, Shell, User string
	Preserve               bool
	// Network asks for a network of the command's own.
	Network bool
	// Set are the keys that are to have other values for this session.
	Set []Pair

	// Command is what to run; a login shell if it is empty.
	Command []string
	// Warnings are to be told, and change nothing.
	Warnings []Message
}

// Message is what a person is told: what is the case, and what to do or what
// was done about it, if there is anything to say.
type Message struct{ Text, More string }

// Error is a command line that cannot be followed.
type Error struct{ Message }

// Error implements error.
func (e *Error) Error() string { return e.Text }

// option is one that there is.
type option struct {
	name  string
	short byte
	// takes is set if it takes a value, and again if it may be given more than once.
	takes, again bool
	// exact is set for those that schroot has not: no other is cut short to it.
	exact bool
	// apply sets what is asked for.
	apply func(*Options, string)
}

func action(a Action) func(*Options, string) { return func(o *Options, _ string) { o.Action = a } }

// known are the options, by name, as ambiguities are told.
var known = []option{
	{name: "all", short: 'a', apply: func(o *Options, _ string) { o.AllChroots, o.AllSources, o.AllSessions = true, true, true }},
	{name: "all-chroots", apply: func(o *Options, _ string) { o.AllChroots = true }},
	{name: "all-sessions", apply: func(o *Options, _ string) { o.AllSessions = true }},
	{name: "all-source-chroots", apply: func(o *Options, _ string) { o.AllSources = true }},
	{name: "automatic-session", apply: action(Automatic)},
	{name: "begin-session", short: 'b', apply: action(Begin)},
	{name: "chroot", short: 'c', takes: true, again: true, apply: func(o *Options, v string) { o.Chroots = append(o.Chroots, v) }},
	{name: "command", takes: true, again: true, apply: func(o *Options, v string) { o.Command = append(o.Command, v) }},
	{name: "config", apply: action(Config)},
	{name: "debug", takes: true, apply: func(*Options, string) {}},
	{name: "directory", short: 'd', takes: true, apply: func(o *Options, v string) { o.Directory = v }},
	{name: "end-session", short: 'e', apply: action(End)},
	{name: "exclude-aliases", apply: func(o *Options, _ string) { o.ExcludeAliases = true }},
	{name: "force", short: 'f', apply: func(o *Options, _ string) { o.Force = true }},
	{name: "help", short: 'h', apply: action(Help)},
	{name: "info", short: 'i', apply: action(Info)},
	{name: "isolate-network", exact: true, apply: func(o *Options, _ string) { o.Network = true }},
	{name: "list", short: 'l', apply: action(List)},
	{name: "location", apply: action(Location)},
	{name: "option", short: 'o', takes: true, again: true, apply: func(o *Options, v string) { o.Set = append(o.Set, pair(v)) }},
	{name: "preserve-environment", short: 'p', apply: func(o *Options, _ string) { o.Preserve = true }},
	{name: "quiet", short: 'q', apply: func(o *Options, _ string) { o.Quiet = true }},
	{name: "recover-session", apply: action(Recover)},
	{name: "run-session", short: 'r', apply: action(Run)},
	{name: "session-name", short: 'n', takes: true, apply: func(o *Options, v string) { o.Name = v }},
	{name: "shell", short: 's', takes: true, apply: func(o *Options, v string) { o.Shell = v }},
	{name: "user", short: 'u', takes: true, apply: func(o *Options, v string) { o.User = v }},
	{name: "verbose", short: 'v', apply: func(o *Options, _ string) { o.Verbose = true }},
	{name: "version", short: 'V', apply: action(Version)},
}

// actions are the options of which one may be given.
var actions = map[string]bool{
	"automatic-session": true, "begin-session": true, "config": true, "end-session": true, "help": true, "info": true,
	"list": true, "location": true, "recover-session": true, "run-session": true, "version": true,
}
