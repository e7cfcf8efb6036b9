import { AgentFilesService } from './domains/agent-files/index.ts'
import { AgentsService } from './domains/agents/index.ts'
import { CollaborationService, CollaborationUpkeep } from './domains/collaboration/index.ts'
import { CompressionService } from './domains/compression/index.ts'
import { ConversationsService, MessageStorage } from './domains/conversations/index.ts'
import { DebatesService, closeDebates } from './domains/debates/index.ts'
import { DocumentSweeper, DocumentsService } from './domains/documents/index.ts'
import { AgentRepository, CacheCore, CacheService, endCachedAgents } from './domains/cache/index.ts'
import { Scheduler, SchedulesService } from './domains/schedules/index.ts'
import { TaskHistoryUpkeep, TasksService, closeTasks } from './domains/tasks/index.ts'
import { RecallCore, RecallService } from './domains/recall/index.ts'
import type { DomainContext } from './domains/domain-context.ts'
import { ModelsService } from './domains/models/index.ts'
import { HistoriesService, HistoryUpkeep } from './domains/histories/index.ts'
import { PersonalityService, PersonalityUpkeep } from './domains/personality/index.ts'
import { KnowledgeService, SharedEmbedder } from './domains/knowledge/index.ts'
import { ResilienceService } from './domains/resilience/index.ts'
import { SagaRunner, SagasService } from './domains/sagas/index.ts'
import { EventCore, EventsService } from './domains/events/index.ts'
import { MessageUpkeep, MessagesService, closeMessages } from './domains/messages/index.ts'
import { MemoryService, MemoryUpkeep, memorySettings } from './domains/memory/index.ts'
import type { KvEngine } from './engines/kv/index.ts'
import type { SqlEngine } from './engines/sql/index.ts'
import { type Actor, type TenantIdentity, checkTenant } from './identity/index.ts'
import { HealthService } from './operations/health/index.ts'
import { type MigrationProgress, assertSchemaUsable, migrateUp, migrationStatus } from './operations/migrations/index.ts'
import { PoolsService } from './operations/pools/index.ts'
import { type CairnTransaction, type CairnTransactionOptions, runCairnTransaction } from './operations/transactions/index.ts'
import { openKv, openSql, eventLog } from './open-engines.ts'
import { type CairnOptions, type ResolvedOptions, resolveOptions } from './options/index.ts'
import { CheckpointsService, SessionBucket, StateCore, StateLifecycleService, StateService, StorageService, CheckpointUpkeep } from './state/index.ts'
import { LineageCore, LineagesService } from './state/lineages/index.ts'

interface Engines {
  readonly options: ResolvedOptions
  readonly sql: SqlEngine
  readonly kv: KvEngine
  readonly core: StateCore
  readonly sweeper: DocumentSweeper
  readonly cache: CacheCore
  readonly sessions: SessionBucket
  readonly checkpointUpkeep: CheckpointUpkeep
  readonly lineages: LineageCore
  readonly sagas: SagaRunner
  readonly scheduler: Scheduler
  /** What one process does for all tenants now and then. */
  readonly upkeeps: readonly { stop(): Promise<void> }[]
  readonly events: EventCore
  readonly recall: RecallCore
  /** The embedder of recall, for knowledge and collaboration. */
  readonly shared: SharedEmbedder | undefined
}

/**
 * An open Cairn: every service of one tenant and actor, on one pair of engines. `as` gives the services of another.
 * Close it (or use `await using`), so that what is dirty is flushed.
 */
export class Cairn implements AsyncDisposable {
  readonly agents: AgentsService
  readonly agentRepository: AgentRepository
  readonly cache: CacheService
  readonly lifecycle: StateLifecycleService
  readonly storage: StorageService
  readonly agentFiles: AgentFilesService
  readonly state: StateService
  readonly checkpoints: CheckpointsService
  readonly lineages: LineagesService
  readonly conversations: ConversationsService
  readonly histories: HistoriesService
  readonly resilience: ResilienceService
  readonly debates: DebatesService
  readonly models: ModelsService
  readonly documents: DocumentsService
  readonly knowledge: KnowledgeService
  readonly tasks: TasksService
  readonly sagas: SagasService
  readonly schedules: SchedulesService
  readonly compression: CompressionService
  readonly events: EventsService
  readonly recall: RecallService
  readonly messages: MessagesService
  readonly memory: MemoryService
  readonly personality: PersonalityService
  readonly collaboration: CollaborationService
  readonly health: HealthService
  readonly pools: PoolsService
  readonly identity: TenantIdentity
  readonly #engines: Engines
  readonly #owner: Cairn | undefined
  #closing: Promise<void> | undefined

  private constructor(engines: Engines, identity: TenantIdentity, owner: Cairn | undefined) {
    this.#engines = engines
    this.#owner = owner
    this.identity = Object.freeze(identity)
    const context: DomainContext = { sql: engines.sql, identity: this.identity, log: engines.options.logger }
    this.cache = new CacheService(engines.cache, this.identity)
    this.agents = endCachedAgents(new AgentsService(context), this.cache, (agentId) => engines.core.agentChanged(agentId))
    this.agentRepository = new AgentRepository(context, this.agents, this.cache)
    this.conversations = new ConversationsService(context)
    this.histories = new HistoriesService(context)
    this.documents = new DocumentsService(context)
    this.knowledge = new KnowledgeService(context, engines.shared)
    this.tasks = new TasksService(context)
    this.schedules = new SchedulesService(context, engines.scheduler)
    this.compression = new CompressionService(context, this.tasks)
    this.messages = new MessagesService(context)
    this.personality = new PersonalityService(context)
    this.collaboration = new CollaborationService(context, engines.shared?.embedder)
    this.recall = new RecallService(context, engines.recall)
    this.state = new StateService(engines.core, this.identity)
    this.lifecycle = new StateLifecycleService(engines.core, this.identity)
    this.storage = new StorageService({ ...engines, state: this.state, domains: { message: ({ thread }) => new MessageStorage(this.conversations, thread) } }, this.identity)
    this.checkpoints = new CheckpointsService(engines.core, this.identity)
    this.resilience = new ResilienceService(context)
    this.debates = new DebatesService(context, this.resilience)
    this.models = new ModelsService(context, this.resilience)
    this.agentFiles = new AgentFilesService({ context, core: engines.core, agents: this.agents, checkpoints: this.checkpoints })
    this.lineages = new LineagesService(engines.lineages, this.identity)
    this.sagas = new SagasService(context, engines.sagas)
    this.events = new EventsService(engines.events, this.identity)
    this.memory = new MemoryService(context, memorySettings(engines.options.memory))
    this.health = new HealthService(engines)
    this.pools = new PoolsService(engines)
  }

  /** @internal Used by `open`. */
  static of(engines: Engines): Cairn {
    return new Cairn(engines, { role: 'application', tenant: engines.options.tenant, actor: engines.options.actor }, undefined)
  }

  /** The engines in use. */
  get engines(): { readonly sql: SqlEngine; readonly kv: KvEngine } {
    return this.#engines
  }

  /** The same engines for another tenant or actor; cheap. Closing it does nothing. INVALID_ARGUMENT for a malformed tenant. */
  as(who: { tenant?: string; actor?: Actor }): Cairn {
    const identity: TenantIdentity = {
      role: 'application',
      tenant: checkTenant(who.tenant ?? this.identity.tenant),
      actor: who.actor ?? this.identity.actor,
    }
    return new Cairn(this.#engines, identity, this.#owner ?? this)
  }

  /**
   * Runs `work` in one SQL transaction of this tenant and actor, and commits when it resolves. Isolation is chosen by the
   * options' nature unless given; the boundary sets its limits for the time of the transaction. After a serialization
   * failure, a deadlock, or a connection lost before COMMIT the whole function runs again, three tries in all: what it
   * does outside SQL needs `tx.compensate`. Use no other service inside: it would take a second connection.
   *
   * Errors: OUTCOME_UNKNOWN when the connection is lost while committing (never run again by itself), VALIDATION_FAILED,
   * SERIALIZATION_FAILURE, DEADLOCK, TIMEOUT, CONNECTION_FAILED, CONSTRAINT_VIOLATION, DUPLICATE_KEY, INVALID_ARGUMENT,
   * and what `work` throws. Source: S4 §5.3.
   */
  transaction<T>(options: CairnTransactionOptions, work: (tx: CairnTransaction) => Promise<T>): Promise<T> {
    return runCairnTransaction({ sql: this.#engines.sql, identity: this.identity, log: this.#engines.options.logger }, options, work)
  }

  /** Flushes state and closes the engines. Safe to call twice. */
  close(): Promise<void> {
    if (this.#owner !== undefined) return Promise.resolve()
    this.#closing ??= (async () => {
      const { core, kv, sql, sweeper, cache, checkpointUpkeep, lineages, sagas, scheduler, upkeeps, events, recall } = this.#engines
      // First, so that readers end before what they stand on does.
      await Promise.all([closeMessages(sql), closeDebates(sql), ...upkeeps.map((upkeep) => upkeep.stop())])
      await recall.close()
      await scheduler.close()
      await sweeper.close()
      await checkpointUpkeep.stop()
      await closeTasks(sql)
      await lineages.close()
      await sagas.stop()
      await events.close()
      await core.close()
      await cache.close()
      await kv.close()
      await sql.close()
    })()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Opens Cairn: embedded (PGlite and LMDB in `dataDir`) unless `postgres` or `nats` name servers. Brings the schema up to
 * date, replays what a killed process left unflushed, and resolves when every service is ready.
 *
 * Errors: INVALID_OPTION, CONNECTION_FAILED, AUTHENTICATION_FAILED, DATA_DIR_LOCKED, DATA_DIR_CORRUPT,
 * MIGRATION_CHANGED, MIGRATION_FAILED, SCHEMA_TOO_NEW, SCHEMA_OUTDATED.
 */
export async function open(given: CairnOptions = {}): Promise<Cairn> {
  const options = resolveOptions(given)
  const opened: { close(): Promise<void> }[] = []
  try {
    // A NATS server that is down is found before an embedded database is made, which takes seconds.
    const nats = options.nats === undefined ? undefined : await openKv(options)
    if (nats !== undefined) opened.push(nats)
    const sql = await openSql(options)
    opened.push(sql)
    options.onProgress('checking the schema')
    if (options.migrate === 'auto') await bringUpToDate(options, sql)
    await assertSchemaUsable(sql)
    const kv = nats ?? (await openKv(options))
    if (kv !== nats) opened.push(kv)
    const core = new StateCore(sql, kv, options.state, options.logger)
    options.onProgress('opening the hot tier')
    await core.start()
    const checkpointUpkeep = new CheckpointUpkeep(core)
    await checkpointUpkeep.start()
    const cache = new CacheCore(kv, options.logger, options.cache)
    const sweeper = new DocumentSweeper(sql, options.logger)
    const lineages = new LineageCore(sql, kv, options.logger)
    const sagas = new SagaRunner(sql, core, options.logger)
    const scheduler = new Scheduler(sql, options.logger)
    scheduler.start()
    const upkeeps = [
      new MessageUpkeep(sql, options.logger, options.messages),
      new TaskHistoryUpkeep(sql, options.logger, options.tasks),
      new HistoryUpkeep(sql, options.logger),
      new MemoryUpkeep(sql, options.logger, memorySettings(options.memory)),
      new PersonalityUpkeep(sql, options.logger),
      new CollaborationUpkeep(sql, options.logger),
    ]
    for (const upkeep of upkeeps) upkeep.start()
    const events = new EventCore({ sql, state: core, log: options.logger, events: options.events, identity: { role: 'application', tenant: options.tenant, actor: options.actor }, ...eventLog(options) })
    events.start()
    const recall = new RecallCore({ sql, embedder: options.embedder, recall: options.recall, log: options.logger })
    recall.start()
    return Cairn.of({ options, sql, kv, core, cache, sessions: new SessionBucket(kv), sweeper, checkpointUpkeep, lineages, sagas, scheduler, upkeeps, events, recall, shared: recall.embedder === undefined ? undefined : new SharedEmbedder(recall.embedder) })
  } catch (error) {
    for (const engine of opened.reverse()) await engine.close().catch(() => undefined)
    throw error
  }
}

/** Migrations may take longer than a statement may: on PostgreSQL they get connections of their own, without a time limit. */
async function bringUpToDate(options: ResolvedOptions, sql: SqlEngine): Promise<void> {
  const onProgress = ({ state, name }: MigrationProgress): void => {
    if (state === 'started') options.onProgress(`migrating: ${name}`)
  }
  const alone = options.postgres !== undefined && (await migrationStatus(sql)).pending > 0
  const engine = alone ? await openSql({ ...options, postgres: { ...options.postgres, statementTimeoutMs: 0 } }) : sql
  try {
    await migrateUp(engine, { log: options.logger, onProgress })
  } finally {
    if (alone) await engine.close()
  }
}
