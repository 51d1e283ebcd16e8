// Package e2e starts the real caddy-scim binary and the real redis-server for
// tests, and speaks SCIM to them over HTTP. It must not look inside the server:
// what it knows is what an operator, an identity provider and an application
// can see, namely the Caddyfile, the admin socket, HTTP, the logs and the store.
//
// A test package hands its TestMain to Main, which builds the binary once with
// the race detector (or takes the one that CADDY_SCIM_BINARY names), fails
// where redis-server is missing, and stops every shared server at the end:
//
//	func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
//
//	func TestX(t *testing.T) {
//		e2e.ForEachStore(t, e2e.Config{Allow: []string{"*"}}, func(t *testing.T, s *e2e.Server) {
//			id := s.CreateUser(t, "ada@example.com")
//			s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
//		})
//	}
//
// # Servers
//
//   - [ForEachStore] runs a parallel subtest for bbolt and for Redis. Tests with
//     equal [Config] share one process a store; each gets a tenant of its own.
//     Do not stop, kill or reload a shared server.
//   - [StartServer] starts one for a single test: for crashes, reloads and
//     outages. [StartServerOn] does so on a [Redis] of the test's own making,
//     [NewServer] leaves the start to the test. [Server.Peer] starts a second
//     Caddy on the same Redis.
//   - [Server.NewTenant] gives a further tenant's client, [Server.Named] the
//     client of a tenant that the test declared or created itself.
//   - [Caddy] is the process: Start, TryStart, Stop, Kill, Restart, Reload,
//     WriteConfig, Admin, CLI, Mint, Log, and the paths Dir, LogFile, BoltFile.
//   - [Redis] is redis-server: StartRedis, Start, Stop, Kill, Restart, Addr, Do.
//
// # Clients
//
//   - [Client.Do] sends one request as it stands (the path's query is not
//     re-encoded), and reports whatever no SCIM response may look like: see
//     [Response.Problems]. [Client.Send] is for goroutines: it returns an error.
//   - [Response] has Status, Header, Body and JSON; Want, WantError, WantList,
//     WantIDs, WantOrder, WantGolden, WantField and Field assert on it.
//   - CreateUser, CreateGroup, Patch, Members and FindUser are the short forms;
//     [PatchBody], [Op] and [M] build bodies.
//   - [Eventually] awaits a condition.
package e2e
