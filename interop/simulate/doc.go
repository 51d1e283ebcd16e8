// Package simulate plays Microsoft Entra ID's provisioning service with a made-up
// company: an initial cycle, and incremental ones with joiners, movers, leavers
// and re-hires, so that a developer sees a realistic stream of changes. It must
// not change anybody whom it has not made: where a name is taken, it stops.
package simulate
