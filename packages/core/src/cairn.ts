import { AgentsService } from './domains/agents/index.ts'
import { ConversationsService } from './domains/conversations/index.ts'
import type { DomainContext } from './domains/domain-context.ts'
import { MessagesService, closeMessages } from './domains/messages/index.ts'
import type { KvEngine } from './engines/kv/index.ts'
import type { SqlEngine } from './engines/sql/index.ts'
import { type Actor, type TenantIdentity, checkTenant } from './identity/index.ts'
import { HealthService } from './operations/health/index.ts'
import { type MigrationProgress, assertSchemaUsable, migrateUp, migrationStatus } from './operations/migrations/index.ts'
import { openKv, openSql } from './open-engines.ts'
import { type CairnOptions, type ResolvedOptions, resolveOptions } from './options/index.ts'
import { CheckpointsService, StateCore, StateService } from './state/index.ts'

interface Engines {
  readonly options: ResolvedOptions
  readonly sql: SqlEngine
  readonly kv: KvEngine
  readonly core: StateCore
}

/**
 * An open Cairn: every service of one tenant and actor, on one pair of engines. `as` gives the services of another.
 * Close it (or use `await using`), so that what is dirty is flushed.
 */
export class Cairn implements AsyncDisposable {
  readonly agents: AgentsService
  readonly state: StateService
  readonly checkpoints: CheckpointsService
  readonly conversations: ConversationsService
  readonly messages: MessagesService
  readonly health: HealthService
  readonly identity: TenantIdentity
  readonly #engines: Engines
  readonly #owner: Cairn | undefined
  #closing: Promise<void> | undefined

  private constructor(engines: Engines, identity: TenantIdentity, owner: Cairn | undefined) {
    this.#engines = engines
    this.#owner = owner
    this.identity = Object.freeze(identity)
    const context: DomainContext = { sql: engines.sql, identity: this.identity, log: engines.options.logger }
    this.agents = new AgentsService(context)
    this.conversations = new ConversationsService(context)
    this.messages = new MessagesService(context)
    this.state = new StateService(engines.core, this.identity)
    this.checkpoints = new CheckpointsService(engines.core, this.identity)
    this.health = new HealthService(engines)
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

  /** Flushes state and closes the engines. Safe to call twice. */
  close(): Promise<void> {
    if (this.#owner !== undefined) return Promise.resolve()
    this.#closing ??= (async () => {
      const { core, kv, sql } = this.#engines
      await closeMessages(sql)
      await core.close()
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
    return Cairn.of({ options, sql, kv, core })
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
