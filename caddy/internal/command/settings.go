package command

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
)

// settingsHelp explains the flags of settingsFlags.
const settingsHelp = `The settings are those of a tenant's block in the configuration. Where the
configuration says something else for this tenant, the configuration wins, and
the answer says so. Every node follows within five seconds.

--allow and --required are given once for each attribute, since an attribute's
path may hold commas and spaces: --allow default --allow title.`

// settingsFlags adds a flag for each setting of a tenant.
func settingsFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArray("allow", nil, "An attribute that is kept; default stands for the default list, * for all (repeatable)")
	f.StringArray("required", nil, "An attribute without which a user is refused; \"\" for none beyond userName (repeatable)")
	f.String("members", "", "What becomes of a member whom nobody knows: create, pending, ignore or reject")
	f.String("match", "", "By what a create finds a user who returns: \"userName\" or \"userName externalId\"")
	f.String("duplicate-group-names", "", "Whether several groups may share a name: on or off")
	f.String("archive-retention", "", "How long archived users are kept, such as 90d, or forever")
	f.String("rate", "", "Requests per second with the burst, such as \"100 200\", or off")
}

// settings reads the flags of settingsFlags.
func (s *session) settings() (registry.Settings, error) {
	var out registry.Settings
	if s.given("allow") {
		out.Allow = s.words("allow")
	}
	if s.given("required") {
		out.Required = []string{}
		for _, w := range s.words("required") {
			if w != "" {
				out.Required = append(out.Required, w)
			}
		}
	}
	for _, flag := range []string{"members", "match", "duplicate-group-names", "archive-retention", "rate"} {
		if s.given(flag) && s.text(flag) == "" {
			return out, wrongUse("--%s has no value; to take a setting back use: scim tenant set NAME --unset %s", flag, settingName(flag))
		}
	}
	out.Members = s.text("members")
	if s.given("match") {
		out.Match = strings.Fields(s.text("match"))
		if _, err := out.MatchExternalID(); err != nil {
			return out, wrongUse("--%v", err)
		}
	}
	switch v := s.text("duplicate-group-names"); v {
	case "":
	case "on", "off":
		on := v == "on"
		out.DuplicateGroupNames = &on
	default:
		return out, wrongUse("--duplicate-group-names %q: want on or off", v)
	}
	if s.given("archive-retention") {
		out.ArchiveRetention = new(registry.Duration)
		if err := out.ArchiveRetention.UnmarshalText([]byte(s.text("archive-retention"))); err != nil {
			return out, wrongUse("--archive-retention: %v", err)
		}
	}
	if s.given("rate") {
		r, err := registry.ParseRate(s.text("rate"))
		if err != nil {
			return out, wrongUse("--%v", err)
		}
		out.Rate = &r
	}
	return out, nil
}

// settingName is a setting's name, which operators may write as the flag.
func settingName(word string) string {
	return strings.ReplaceAll(strings.TrimPrefix(word, "--"), "-", "_")
}

// settingsTable prints the settings in force.
func (s *session) settingsTable(list []admin.Setting) error {
	t := &table{columns: []column{{head: "SETTING"}, {head: "VALUE", min: 20}, {head: "FROM"}}}
	for _, v := range list {
		t.row(v.Name, settingValue(v.Value), v.From)
	}
	return t.flush(s.out)
}

// settingValue writes a setting as the configuration does.
func settingValue(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "on"
		}
		return "off"
	case []any:
		if len(v) == 0 {
			return "none"
		}
		var words []string
		for _, w := range v {
			if text, ok := w.(string); ok {
				words = append(words, text)
			}
		}
		return strings.Join(words, ", ")
	}
	return string(bytes.TrimSpace(raw))
}
