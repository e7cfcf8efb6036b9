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
  { path: 'state lifecycle', tables: ['agents.state', 'agents.lifecycle_events'], reason: 'Reads and mends the rows of one agent, named with its tenant; counts rows; notes which agents left the hot tier.' },
  { path: 'conflict policies', tables: ['agents.state_policies', 'agents.registry'], reason: 'Each process keeps the policies of all tenants in memory, by tenant.' },
  { path: 'checkpoint upkeep', tables: ['agents.checkpoint_restores', 'agents.checkpoint_policies', 'agents.checkpoints', 'agents.state_writers'], reason: 'Finds interrupted restores, those of one agent that a live process is at, and agents with a retention policy; the work itself is done as their tenant.' },
  { path: 'partition upkeep', tables: ['all partitioned tables'], reason: 'Makes partitions ahead and reads how far they reach.' },
  { path: 'lineage sweep', tables: ['lineages.checkpoints', 'lineages.writes'], reason: 'Removes expired checkpoints, whoever they belong to.' },
  { path: 'stream tables', tables: ['tx.outbox', 'tx.streams', 'tx.consumers', 'tx.deliveries', 'tx.dead_letters'], reason: 'The event log is one order for all tenants; consumers filter by tenant.' },
  { path: 'event relay', tables: ['tx.outbox', 'tx.dead_letters', 'tx.state_readers'], reason: 'One process brings the events of all tenants to JetStream; the feed is kept for the readers of all.' },
  { path: 'message upkeep', tables: ['messages.deliveries', 'messages.message_keys'], reason: 'Finds which tenants have messages; each is then kept up as itself.' },
  { path: 'message lists', tables: ['messages.log'], reason: 'The index on kinds cannot be asked behind row-level security, for comparisons of enums are not leakproof. One tenant a statement; it gives back ids and times, and the tenant reads the messages.' },
  { path: 'leadership', tables: ['tx.leaders'], reason: 'Which process leads a duty; no data of a tenant.' },
  { path: 'connection monitoring', tables: ['monitoring.connection_stats'], reason: 'Counts the sessions of the server; no data of a tenant.' },
  { path: 'document text search', tables: ['documents.documents'], reason: 'The text index cannot be asked behind row-level security, for `@@` is not leakproof. One tenant a statement; it gives back ids and ranks, and the tenant reads the documents.' },
  { path: 'knowledge search', tables: ['knowledge.facts'], reason: 'The indexes on terms and values cannot be asked behind row-level security, for `@@` and `@>` are not leakproof. One tenant a statement; it gives back ids and ranks, and the tenant reads the facts.' },
  { path: 'message search', tables: ['conversations.messages'], reason: 'As the document text search: one tenant a statement, ids and ranks come back, the tenant reads the messages.' },
  { path: 'memory candidates', tables: ['memory.conversation_memory', 'memory.embeddings', 'memory.term_statistics', 'memory.text_statistics'], reason: 'Text and vector indexes cannot be asked behind row-level security. One tenant a statement; it gives back ids and figures, and the tenant reads the memories.' },
  { path: 'memory embeddings', tables: ['memory.embedding_queue', 'memory.embedding_models', 'memory.embeddings', 'memory.conversation_memory'], reason: 'One process makes the vectors of all tenants, a tenant a batch; each row is written with the tenant of its memory.' },
  { path: 'document sweep', tables: ['documents.documents'], reason: 'Deletes expired documents, whose ever they are.' },
  { path: 'history upkeep', tables: ['histories.histories'], reason: 'Deletes expired histories, whose ever they are.' },
  { path: 'memory upkeep', tables: ['memory.conversation_memory', 'memory.retention_reports'], reason: 'Deletes expired memories, whose ever they are, and finds the tenants that retention is due for; each is then kept up as itself.' },
  { path: 'saga claims', tables: ['tx.sagas'], reason: 'A runner takes the next sagas, whoever they belong to; each is then run as its tenant.' },
  { path: 'schedules', tables: ['tasks.schedules', 'tasks.queue', 'tasks.keys', 'tasks.assignments', 'tx.outbox'], reason: 'One process makes the ticks of all tenants; each row and each task is written with the tenant of its schedule.' },
  { path: 'personality upkeep', tables: ['personality.users'], reason: 'Finds which tenants have learned; each is then kept up as itself.' },
  { path: 'collaboration upkeep', tables: ['collaboration.requests'], reason: 'One process expires the requests of all tenants; each row is written with its own tenant.' },
  { path: 'collaboration triggers', tables: ['collaboration.partnerships', 'collaboration.requests', 'tasks.queue', 'tasks.archive'], reason: 'Finds which tasks of all tenants the rules of partnerships hold for; each is then considered as its tenant.' },
] as const satisfies readonly MaintenancePath[]

export interface MaintenancePath {
  readonly path: string
  readonly tables: readonly string[]
  readonly reason: string
}
