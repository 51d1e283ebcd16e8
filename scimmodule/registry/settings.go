package registry

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are the rules of a tenant. What is nil or empty says nothing, and is
// left to the next layer: a tenant's settings in the configuration come before
// those of run time, these before the configuration's settings for all tenants,
// and these before the built-in defaults.
type Settings struct {
	// Allow lists the attributes that are kept; see schema.Narrowing.
	Allow []string `json:"allow,omitzero"`
	// Required lists the attributes without which a user is refused; an empty
	// list that is not nil demands none beyond userName.
	Required []string `json:"required,omitzero"`
	// Members is what becomes of a member whom nobody knows: create, pending,
	// ignore or reject.
	Members string `json:"members,omitzero"`
	// Match is ["userName"] or ["userName", "externalId"]: by what a create finds
	// a user who returns.
	Match []string `json:"match,omitzero"`
	// DuplicateGroupNames lets several groups share a displayName.
	DuplicateGroupNames *bool `json:"duplicate_group_names,omitzero"`
	// ArchiveRetention is how long archived users are kept; 0 is for ever.
	ArchiveRetention *Duration `json:"archive_retention,omitzero"`
	// Rate bounds the tenant's requests.
	Rate *Rate `json:"rate,omitzero"`
}

// Names of the settings, as in JSON and in the configuration.
var Names = []string{"allow", "required", "members", "match", "duplicate_group_names", "archive_retention", "rate"}

// Defaults are the built-in settings: all of them say something.
func Defaults() Settings {
	return Settings{
		Allow:               []string{"default"},
		Required:            []string{},
		Members:             "create",
		Match:               []string{"userName"},
		DuplicateGroupNames: new(bool),
		ArchiveRetention:    new(Duration),
		Rate:                &Rate{Requests: 100},
	}
}

// Has tells whether the setting of the name says something.
func (s Settings) Has(name string) bool {
	switch name {
	case "allow":
		return s.Allow != nil
	case "required":
		return s.Required != nil
	case "members":
		return s.Members != ""
	case "match":
		return s.Match != nil
	case "duplicate_group_names":
		return s.DuplicateGroupNames != nil
	case "archive_retention":
		return s.ArchiveRetention != nil
	case "rate":
		return s.Rate != nil
	}
	return false
}

// Over returns s with what it leaves out taken from base.
func (s Settings) Over(base Settings) Settings {
	if s.Allow == nil {
		s.Allow = base.Allow
	}
	if s.Required == nil {
		s.Required = base.Required
	}
	s.Members = cmp.Or(s.Members, base.Members)
	if s.Match == nil {
		s.Match = base.Match
	}
	s.DuplicateGroupNames = cmp.Or(s.DuplicateGroupNames, base.DuplicateGroupNames)
	s.ArchiveRetention = cmp.Or(s.ArchiveRetention, base.ArchiveRetention)
	s.Rate = cmp.Or(s.Rate, base.Rate)
	return s
}

// Without returns s without the named settings. Its error names a word that is
// no setting.
func (s Settings) Without(names []string) (Settings, error) {
	for _, name := range names {
		switch name {
		case "allow":
			s.Allow = nil
		case "required":
			s.Required = nil
		case "members":
			s.Members = ""
		case "match":
			s.Match = nil
		case "duplicate_group_names":
			s.DuplicateGroupNames = nil
		case "archive_retention":
			s.ArchiveRetention = nil
		case "rate":
			s.Rate = nil
		default:
			return s, fmt.Errorf("%q is no setting: the settings are %s", name, strings.Join(Names, ", "))
		}
	}
	return s, nil
}

// MatchExternalID tells whether Match has externalId too; the error is for words
// other than the two lists that Match can be.
func (s Settings) MatchExternalID() (bool, error) {
	switch {
	case len(s.Match) == 0, slices.Equal(s.Match, []string{"userName"}):
		return false, nil
	case slices.Equal(s.Match, []string{"userName", "externalId"}):
		return true, nil
	}
	return false, fmt.Errorf("match %s: want \"userName\" or \"userName externalId\"", strings.Join(s.Match, " "))
}

// Rate bounds requests, on each node: so many a second, and for a moment as many
// as Burst at once.
type Rate struct {
	Requests int // per second; 0 for no limit
	Burst    int // 0 for twice Requests
}

// maxRate is beyond what a node can serve.
const maxRate = 1_000_000

// ParseRate reads "off", "100" or "100 300": requests per second, and the burst.
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return Rate{}, rateError(text)
	}
	var n [2]int
	for i, w := range words {
		var err error
		if n[i], err = strconv.Atoi(w); err != nil || n[i] < 1 || n[i] > maxRate {
			return Rate{}, rateError(text)
		}
	}
	return Rate{Requests: n[0], Burst: n[1]}, nil
}

func rateError(text string) error {
	return fmt.Errorf("rate %.50q: want requests per second such as 100, with the burst behind it such as \"100 300\", or off", text)
}

// String is the inverse of ParseRate.
func (r Rate) String() string {
	switch {
	case r.Requests == 0:
		return "off"
	case r.Burst == 0:
		return strconv.Itoa(r.Requests)
	}
	return fmt.Sprintf("%d %d", r.Requests, r.Burst)
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := ParseRate(string(text))
	*r = v
	return err
}

// Duration is how long something is kept; 0 is for ever. It is written as text
// such as 90d, 12h or forever.
type Duration time.Duration

const forever = "forever"

const day = 24 * time.Hour

// ParseDuration reads a duration of whole days such as 90d, or one that
// time.ParseDuration reads; it may not be negative.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%.50q is no duration such as 90d or 12h", text)
	if n, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(n, 10, 64)
		if err != nil || days > uint64(math.MaxInt64/day) {
			return 0, bad
		}
		return time.Duration(days) * day, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// String returns whole days where it is some, else what time.Duration prints.
func (d Duration) String() string {
	v := time.Duration(d)
	if v == 0 {
		return forever
	}
	if v%day == 0 {
		return strconv.Itoa(int(v/day)) + "d"
	}
	return v.String()
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == forever {
		*d = 0
		return nil
	}
	v, err := ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Get returns the setting of the name as it is in JSON; nil where it says nothing.
func (s Settings) Get(name string) json.RawMessage {
	if !s.Has(name) {
		return nil
	}
	all, err := json.Marshal(s)
	if err != nil {
		return nil // no setting that Has is true for fails to marshal
	}
	var byName map[string]json.RawMessage
	if json.Unmarshal(all, &byName) != nil {
		return nil
	}
	return byName[name]
}

// bounds of settings that come over the admin API.
const (
	maxWords      = 500
	maxWordLength = 500
)

// check refuses settings that no configuration could have: what the words mean
// is checked where the schemas are known.
func (s Settings) check() error {
	for _, list := range [][]string{s.Allow, s.Required} {
		if len(list) > maxWords {
			return fmt.Errorf("a list of attributes has more than %d words", maxWords)
		}
		for _, w := range list {
			if w == "" || len(w) > maxWordLength {
				return errors.New("an attribute's path has 1 to 500 bytes")
			}
		}
	}
	if s.Allow != nil && len(s.Allow) == 0 {
		return errors.New("allow: name at least one attribute")
	}
	if s.Match != nil && len(s.Match) == 0 {
		return errors.New("match: want \"userName\" or \"userName externalId\"")
	}
	_, err := s.MatchExternalID()
	return err
}
