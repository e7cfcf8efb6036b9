/**
 * Every path that acts as MAINTENANCE, under `maintenance_user`, and so sees the rows of all tenants.
 * They serve many tenants in one statement; each of these statements names the tenant of every row it writes.
 * Whoever adds a path adds it here, with the tables it touches and a test that it crosses no tenant.
 */
export const MAINTENANCE_PATHS = [
  { path: 'state flush', tables: ['agents.state'], reason: 'One statement stores the dirty keys of many agents (group commit).' },
  { path: 'state recovery', tables: ['agents.state', 'agents.state_epochs'], reason: 'Replays the change feed of a writer that died, whoever its agents belong to.' },
  { path: 'state writers', tables: ['agents.state_writers', 'agents.state_epochs'], reason: 'Heartbeats and watermarks of processes; no data of a tenant.' },
  { path: 'backlog replay', tables: ['agents.state_backlog'], reason: 'Puts the writes that SQL alone acknowledged back into the hot tier.' },
  { path: 'partition upkeep', tables: ['all partitioned tables'], reason: 'Makes partitions ahead and reads how far they reach.' },
  { path: 'stream tables', tables: ['tx.outbox', 'tx.streams', 'tx.consumers', 'tx.deliveries', 'tx.dead_letters'], reason: 'The event log is one order for all tenants; consumers filter by tenant.' },
  { path: 'event relay', tables: ['tx.outbox', 'tx.dead_letters', 'tx.state_readers'], reason: 'One process brings the events of all tenants to JetStream; the feed is kept for the readers of all.' },
  { path: 'leadership', tables: ['tx.leaders'], reason: 'Which process leads a duty; no data of a tenant.' },
] as const satisfies readonly MaintenancePath[]

export interface MaintenancePath {
  readonly path: string
  readonly tables: readonly string[]
  readonly reason: string
}
