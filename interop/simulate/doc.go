// Package simulate plays Microsoft Entra ID's provisioning service with a made-up
// company: an initial cycle, and incremental ones with joiners, movers, leavers
// and re-hires, so that a developer sees a realistic stream of changes. It must
// not be pointed at a directory with real people in it: it deletes whom it made,
// and adopts whom it finds under the names of its people.
package simulate
