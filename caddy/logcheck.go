package caddy

import (
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// warnOfAccessLogs looks at the sites that serve SCIM, and warns of access logs
// that show which users a request asks for. Caddy writes them, so that a handler
// cannot redact them. `log_skip` and `log_name` are not seen here, nor logs that
// are filtered by an encoder other than Caddy's `filter`.
func warnOfAccessLogs(ctx caddy.Context, logger *slog.Logger) {
	a, err := ctx.AppIfConfigured("http")
	if err != nil {
		return // no sites
	}
	app := a.(*caddyhttp.App)
	for name, srv := range app.Servers {
		if srv.Logs == nil {
			continue
		}
		hosts, serves := scimHosts(srv.Routes, nil)
		for _, route := range srv.NamedRoutes {
			if _, named := scimHosts(caddyhttp.RouteList{*route}, nil); named {
				serves = true
			}
		}
		if !serves {
			continue
		}
		var leaks []string
		for _, log := range accessLogs(srv.Logs, hosts, otherHosts(srv.Routes)) {
			if logShowsURI(ctx, log) && !slices.Contains(leaks, log) {
				leaks = append(leaks, log)
			}
		}
		for _, log := range leaks {
			logger.Warn("an access log shows in full which users SCIM requests ask for; give it the format of Caddyfile.example, which redacts the URI",
				slog.String("server", name), slog.String("log", log))
		}
		if srv.Logs.ShouldLogCredentials {
			logger.Warn("log_credentials writes SCIM tokens to the access log", slog.String("server", name))
		}
	}
}

// scimHosts returns the hosts for which routes lead to our handler; none if it
// is any host.
func scimHosts(routes caddyhttp.RouteList, outer []string) (hosts []string, serves bool) {
	for _, route := range routes {
		within := append(slices.Clone(outer), matchedHosts(route)...)
		for _, h := range route.Handlers {
			switch h := h.(type) {
			case *Handler:
				hosts, serves = append(hosts, within...), true
			case *caddyhttp.Subroute:
				if inner, ok := scimHosts(h.Routes, within); ok {
					hosts, serves = append(hosts, inner...), true
				}
			}
		}
	}
	return hosts, serves
}

// matchedHosts returns the hosts of a route's matchers; none if it takes any.
func matchedHosts(route caddyhttp.Route) (hosts []string) {
	for _, set := range route.MatcherSets {
		for _, m := range set {
			if h, ok := m.(*caddyhttp.MatchHost); ok {
				hosts = append(hosts, *h...)
			}
		}
	}
	return hosts
}

// otherHosts returns the hosts of the sites that do not serve SCIM.
func otherHosts(routes caddyhttp.RouteList) (hosts []string) {
	for _, route := range routes {
		if _, serves := scimHosts(caddyhttp.RouteList{route}, nil); !serves && route.Terminal {
			hosts = append(hosts, matchedHosts(route)...)
		}
	}
	return hosts
}

// accessLogs returns the names of the loggers that take the requests for hosts,
// or, if there are none, for all but other hosts.
func accessLogs(c *caddyhttp.ServerLogConfig, hosts, others []string) []string {
	const all = "http.log.access"
	named := func(names ...string) (out []string) {
		for _, n := range names {
			if n != "" {
				n = "." + n
			}
			out = append(out, all+n)
		}
		return out
	}
	if len(hosts) == 0 {
		var logs []string
		for host, names := range c.LoggerNames {
			if !slices.Contains(others, host) {
				logs = append(logs, named(names...)...)
			}
		}
		if !c.SkipUnmappedHosts {
			logs = append(logs, named(c.DefaultLoggerName)...)
		}
		return logs
	}
	var logs []string
	for _, host := range hosts {
		host = strings.ToLower(host)
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		names, mapped := c.LoggerNames[host]
		if _, parent, ok := strings.Cut(host, "."); ok && !mapped {
			names, mapped = c.LoggerNames["*."+parent]
		}
		switch {
		case mapped:
			logs = append(logs, named(names...)...)
		case !c.SkipUnmappedHosts && !slices.Contains(c.SkipHosts, host):
			logs = append(logs, named(c.DefaultLoggerName)...)
		}
	}
	return logs
}

// logShowsURI tells whether a logger writes a request's URI as it is. It writes
// nothing: a field that is added to a logger is encoded into a copy of its
// encoder, at which a probe can look.
func logShowsURI(ctx caddy.Context, name string) bool {
	var p probe
	ctx.Logger(loggerName(name)).Core().With([]zapcore.Field{zap.Object("request", &p)})
	return p.shown
}

// loggerName asks Caddy for a logger of that name.
type loggerName string

// CaddyModule returns the Caddy module information.
func (n loggerName) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID(n)}
}

// probe stands in for a request and sees what becomes of its URI.
type probe struct{ shown bool }

const (
	marker   = "canary"
	probeURI = "/scim/v2/Users/" + marker + "?filter=userName%20eq%20%22" + marker + "%22"
)

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (p *probe) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	fe, ok := enc.(logging.FilterEncoder)
	if !ok {
		p.shown = true
		return nil
	}
	filter := fe.Fields["request>uri"]
	if filter == nil {
		p.shown = true
		return nil
	}
	out := zapcore.NewMapObjectEncoder()
	filter.Filter(zap.String("uri", probeURI)).AddTo(out)
	for _, v := range out.Fields {
		if s, ok := v.(string); !ok || strings.Contains(s, marker) {
			p.shown = true
		}
	}
	return nil
}
