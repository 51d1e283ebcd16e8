package caddy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "scim",
		Usage: "<token|health>",
		Short: "Manages the SCIM service of a running server",
		Long: `
Mints, lists and revokes the tokens with which identity providers reach the SCIM
service, and tells how the service is.

The commands go through the admin API of the running server at
'` + caddy.DefaultAdminListen + `'. If that is elsewhere, give --address, or --config to read
the address from your configuration.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(tokenCommand(), healthCommand())
		},
	})
}

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manages the tokens of a tenant",
	}
	create := &cobra.Command{
		Use:   "create --tenant <name> [--create] [--label <text>] [--expires <when>] [--json]",
		Short: "Mints a token and prints it, once",
		Long: `
Mints a bearer token for a tenant, and prints the Tenant URL and the Secret Token
as an identity provider asks for them. The token is stored as a hash, so it can
never be shown again.

--expires takes a duration such as 90d or 720h, a date such as 2027-01-31, or a
time such as 2027-01-31T12:00:00Z. Without it the token is valid until it is
revoked.`,
		Example: `  caddy-scim scim token create --tenant acme
  caddy-scim scim token create --tenant newcustomer --create --expires 365d --json`,
		Args: cobra.NoArgs,
		RunE: run(createCmd),
	}
	create.Flags().Bool("create", false, "Create the tenant if there is none of that name")
	create.Flags().String("label", "", "A note to recognize the token by")
	create.Flags().String("expires", "", "When the token ends")
	list := &cobra.Command{
		Use:   "list --tenant <name> [--json]",
		Short: "Lists the minted tokens of a tenant, without their secrets",
		Args:  cobra.NoArgs,
		RunE:  run(listCmd),
	}
	revoke := &cobra.Command{
		Use:   "revoke --tenant <name> --id <token id> [--json]",
		Short: "Ends a minted token at once",
		Args:  cobra.NoArgs,
		RunE:  run(revokeCmd),
	}
	revoke.Flags().String("id", "", "The token's id, as in the list (required)")
	for _, c := range []*cobra.Command{create, list, revoke} {
		c.Flags().StringP("tenant", "t", "", "The tenant's name (required)")
		c.Flags().Bool("json", false, "Print JSON, for scripts")
		addressFlags(c)
		cmd.AddCommand(c)
	}
	return cmd
}

func healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health [--json]",
		Short: "Tells whether the service and its store are ready",
		Args:  cobra.NoArgs,
		RunE:  run(healthCmd),
	}
	cmd.Flags().Bool("json", false, "Print JSON, for scripts")
	addressFlags(cmd)
	return cmd
}

func addressFlags(cmd *cobra.Command) {
	cmd.Flags().String("address", "", "Address of the administration API listener (if --config is not used)")
	cmd.Flags().StringP("config", "c", "", "Configuration file (if --address is not used)")
	cmd.Flags().StringP("adapter", "a", "", "Name of config adapter to apply (if --config is used)")
}

// run wraps a command. Its error becomes one plain sentence and exit code 1;
// Caddy's own wrapper would log it, in JSON where nobody is at a terminal.
func run(f func(out io.Writer, fl caddycmd.Flags) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		return f(cmd.OutOrStdout(), caddycmd.Flags{FlagSet: cmd.Flags()})
	}
}

func createCmd(out io.Writer, fl caddycmd.Flags) error {
	tenant, err := required(fl, "tenant")
	if err != nil {
		return err
	}
	var c created
	err = request(fl, http.MethodPost, "/scim/tokens/create", createRequest{
		Tenant: tenant, Label: fl.String("label"), Expires: fl.String("expires"), Create: fl.Bool("create"),
	}, &c)
	if err != nil {
		return err
	}
	if fl.Bool("json") {
		return printJSON(out, c)
	}
	address := c.TenantURL
	if address == "" {
		address = "(your site's address, followed by the base path, such as https://scim.example.com" + defaultBasePath + "; set public_url in the scim options to see it here)"
	}
	_, err = fmt.Fprintf(out, "Tenant URL    %s\nSecret Token  %s\n\nToken id      %s\n", address, c.Token, c.ID)
	if err == nil && c.Expires != nil {
		_, err = fmt.Fprintf(out, "Expires       %s\n", c.Expires.Format(time.RFC3339))
	}
	if err == nil {
		_, err = fmt.Fprintln(out, "\nKeep the secret token now: it cannot be shown again.")
	}
	return err
}

func listCmd(out io.Writer, fl caddycmd.Flags) error {
	tenant, err := required(fl, "tenant")
	if err != nil {
		return err
	}
	var list tokenList
	if err := request(fl, http.MethodPost, "/scim/tokens/list", tokenRequest{Tenant: tenant}, &list); err != nil {
		return err
	}
	if fl.Bool("json") {
		return printJSON(out, list)
	}
	if len(list.Tokens) == 0 {
		_, err := fmt.Fprintf(out, "Tenant %s has no minted tokens.\n", tenant)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tCREATED\tEXPIRES\tLABEL") // errors show at Flush
	for _, t := range list.Tokens {
		expires := "never"
		if t.Expires != nil {
			expires = t.Expires.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, t.Created.Format(time.RFC3339), expires, t.Label)
	}
	return w.Flush()
}

func revokeCmd(out io.Writer, fl caddycmd.Flags) error {
	tenant, err := required(fl, "tenant")
	if err != nil {
		return err
	}
	id, err := required(fl, "id")
	if err != nil {
		return err
	}
	in := tokenRequest{Tenant: tenant, ID: id}
	if err := request(fl, http.MethodPost, "/scim/tokens/revoke", in, &in); err != nil {
		return err
	}
	if fl.Bool("json") {
		return printJSON(out, in)
	}
	_, err = fmt.Fprintf(out, "Token %s of tenant %s is revoked.\n", in.ID, in.Tenant)
	return err
}

func healthCmd(out io.Writer, fl caddycmd.Flags) error {
	var h health
	if err := request(fl, http.MethodGet, "/scim/health/ready", nil, &h); err != nil {
		return err
	}
	if fl.Bool("json") {
		return printJSON(out, h)
	}
	_, err := fmt.Fprintf(out, "The SCIM service is %s, with its %s store.\n", h.Status, h.Store)
	for _, w := range h.Warnings {
		if err == nil {
			_, err = fmt.Fprintf(out, "Warning: %s\n", w)
		}
	}
	return err
}

func required(fl caddycmd.Flags, name string) (string, error) {
	v := fl.String(name)
	if v == "" {
		return "", fmt.Errorf("--%s is required", name)
	}
	return v, nil
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// request sends a request to the admin API of the running server.
func request(fl caddycmd.Flags, method, path string, in, out any) error {
	address, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
	if err != nil {
		return fmt.Errorf("the admin address could not be determined: %w", err)
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := caddycmd.AdminAPIRequest(address, method, path, nil, body)
	if err != nil {
		return explain(err, address)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the admin API at %s gave an answer that is not understood: %w", address, err)
	}
	return nil
}

// explain turns an error of caddycmd.AdminAPIRequest, which holds the API's
// answer as text, into a sentence.
func explain(err error, address string) error {
	text := err.Error()
	answer, ok := strings.CutPrefix(text, "caddy responded with error: HTTP ")
	if !ok {
		return fmt.Errorf("no server answers at %s: start it with \"caddy-scim run\", or say with --address or --config where its admin API is (%s)",
			address, strings.TrimPrefix(text, "performing request: "))
	}
	status, body, _ := strings.Cut(answer, ": ")
	var api struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(body), &api) == nil && api.Error != "" {
		return errors.New(api.Error)
	}
	if status == "404" {
		return fmt.Errorf("the server at %s has no scim module: run it with caddy-scim", address)
	}
	return errors.New(strings.TrimSpace(text))
}
