import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { CairnError } from '../../errors/index.ts'
import type { Identity } from '../../identity/index.ts'
import { NearAnswers } from '../near-answers.ts'
import { CopyQuery } from './copy-query.ts'
import type { SqlResult } from './sql-engine.ts'
import { toSqlError, type SqlTarget } from './sql-error.ts'
import { timeLimit } from './time-limit.ts'
import { FIRST_USER_OID, parseTextArray } from './type-parsers.ts'

/** The protocol counts parameters in 16 bits, and the driver does not check. */
const MAX_PARAMETERS = 65_535
/** PostgreSQL cuts longer names, so that two statements could become one. */
const MAX_NAME_LENGTH = 63

const INTERRUPT_TRIES = 5
const INTERRUPT_WAIT_MS = 500

const SET_IDENTITY = {
  name: 'cairn_set_identity',
  text: `SELECT set_config('role', $1, $6), set_config('app.tenant_id', $2, $6), set_config('app.actor', $3, $6),
  set_config('app.current_user_id', $4, $6), set_config('app.current_agent_id', $5, $6)`,
}

/** Oids of array types made by the user, found once a process: true when such an oid is an array. */
export type ArrayTypes = Map<number, boolean>

export interface SqlConnectionOptions {
  readonly client: pg.Client
  readonly target: SqlTarget
  readonly arrayTypes: ArrayTypes
  /** Makes the running statement end soon, or the connection break. */
  readonly interrupt: () => Promise<void>
  /** False behind a pooler that gives each transaction another server connection. */
  readonly prepare: boolean
  /** Most statements that stay prepared; the one not used for longest goes first. @default 100 */
  readonly statementCache?: number
  /** See NearAnswers. */
  readonly stayAwakeMs?: number
  /** Told of each statement that took this long or longer, by its name or its text. */
  readonly slow?: { readonly thresholdMs: number; readonly add: (statement: string, ms: number) => void }
}

/** Of a statement without a name, so much is shown. */
const SHOWN_TEXT = 300
const STATEMENT_CACHE = 100

/** One connection and what it remembers: the identity it has, and whether it may be used again. */
export class SqlConnection {
  readonly target: SqlTarget
  /** Set when its state is unknown: then it must be thrown away, not reused. */
  broken = false
  /** Set when the server refused a write: it may have become a standby. */
  readOnlyServer = false
  /** When it was last given back to its pool. */
  idleSince = performance.now()
  readonly #client: pg.Client
  readonly #options: SqlConnectionOptions
  /** Statements whose plan was stale, and how often: their next name. */
  readonly #renamed = new Map<string, number>()
  /** Prepared statements, the one used last at the end. */
  readonly #prepared = new Set<string>()
  /** By the name of a statement. */
  readonly #answers = new Map<string, NearAnswers>()
  #identity = ''
  #tail: Promise<unknown> = Promise.resolve()

  constructor(options: SqlConnectionOptions) {
    this.#options = options
    this.#client = options.client
    this.target = options.target
    // Without a listener, a connection that is lost between two statements would end the process.
    this.#client.on('error', () => {
      this.broken = true
    })
  }

  /** Gives the session this identity; no round trip when it has it already. */
  async identify(identity: Identity): Promise<void> {
    const settings = identitySettings(identity)
    const key = settings.join('\n')
    if (key === this.#identity) return
    try {
      await this.#send({ ...SET_IDENTITY, ...(this.#options.prepare ? {} : { name: undefined }), values: [...settings, 'false'] })
      this.#identity = key
    } catch (error) {
      this.broken = true
      throw roleError(error, settings[0])
    }
  }

  /** Gives the transaction this identity; it ends with the transaction. */
  async identifyTransaction(identity: Identity): Promise<void> {
    const settings = identitySettings(identity)
    try {
      await this.#send({ text: SET_IDENTITY.text, values: [...settings, 'true'] })
    } catch (error) {
      throw roleError(error, settings[0])
    }
  }

  async query<Row>(text: string, values: readonly unknown[] = [], options: { name?: string; timeoutMs?: number } = {}): Promise<SqlResult<Row>> {
    checkStatement(text, values, options.name)
    const send = () => this.#send({ text, values: [...values], name: this.#preparedName(options.name), queryMode: 'extended' }, options.timeoutMs, options.name ?? text, this.#answersTo(options.name))
    const result = await send().catch((error: unknown) => {
      // A statement prepared before a migration: prepare it anew, and run it again where that is safe.
      if (options.name === undefined || !isStalePlan(error)) throw error
      this.#renamed.set(options.name, (this.#renamed.get(options.name) ?? 0) + 1)
      if (this.#client.getTransactionStatus() !== 'I') throw error
      return send()
    })
    if (result.fields.some(({ dataTypeID }) => dataTypeID >= FIRST_USER_OID)) await this.#parseUserArrays(result)
    return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 }
  }

  /** Runs a script without values; returns the command tag of its last statement. */
  async exec(script: string, timeoutMs?: number): Promise<string> {
    checkStatement(script, [], undefined)
    // A script may hold values; its first word is enough to know BEGIN from COMMIT.
    const result: unknown = await this.#send({ text: script }, timeoutMs, script.trimStart().split(/\s/, 1)[0])
    const last = (Array.isArray(result) ? result.at(-1) : result) as pg.QueryResult | undefined
    return last?.command ?? ''
  }

  /** Sends lines in COPY's text format; returns how many rows were stored. */
  copy(statement: string, lines: Buffer): Promise<number> {
    return this.#enqueue(() => this.#client.query(new CopyQuery(statement, lines)).done)
  }

  #send(config: object, timeoutMs?: number, shown?: string, answers?: NearAnswers): Promise<pg.QueryResult> {
    return this.#enqueue(() => {
      const limitMs = timeoutMs === undefined ? undefined : timeLimit(timeoutMs)
      const running = this.#client.query(config as pg.QueryConfig)
      if (shown !== undefined && this.#options.slow !== undefined) this.#watch(running, shown, this.#options.slow)
      if (answers !== undefined) awaitNear(running, answers)
      return limitMs === undefined ? running : this.#limit(running, limitMs)
    })
  }

  #answersTo(name: string | undefined): NearAnswers | undefined {
    if (name === undefined) return undefined
    let answers = this.#answers.get(name)
    if (answers === undefined) this.#answers.set(name, (answers = new NearAnswers(this.#options.stayAwakeMs)))
    return answers
  }

  #watch(running: Promise<unknown>, shown: string, { thresholdMs, add }: NonNullable<SqlConnectionOptions['slow']>): void {
    const started = performance.now()
    const ended = (): void => {
      const ms = performance.now() - started
      if (ms >= thresholdMs) add(shown.slice(0, SHOWN_TEXT), ms)
    }
    running.then(ended, ended)
  }

  /** One statement at a time: the next is handed to the driver when the one before has its answer. */
  #enqueue<T>(start: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(start).catch((error: unknown) => {
      throw this.#mapped(error)
    })
    this.#tail = result.catch(() => {})
    return result
  }

  #mapped(error: unknown): CairnError {
    const mapped = toSqlError(error, this.target)
    if (mapped.code === 'CONNECTION_FAILED') this.broken = true
    if (mapped.details['sqlState'] === '25006') this.readOnlyServer = true
    return mapped
  }

  #preparedName(name: string | undefined): string | undefined {
    if (name === undefined || !this.#options.prepare) return undefined
    const renamed = this.#renamed.get(name)
    const used = renamed === undefined ? name : `${name.slice(0, MAX_NAME_LENGTH - 6)}#${renamed}`
    this.#remember(used)
    return used
  }

  #remember(name: string): void {
    if (!this.#prepared.delete(name) && this.#prepared.size >= (this.#options.statementCache ?? STATEMENT_CACHE)) {
      const oldest = this.#prepared.values().next().value
      if (oldest !== undefined) this.#forget(oldest)
    }
    this.#prepared.add(name)
  }

  /** Goes out before the statement that takes its place. Where the server refuses (an aborted transaction), it stays prepared. */
  #forget(name: string): void {
    this.#prepared.delete(name)
    const drop = this.#enqueue(async () => {
      await this.#client.query(`DEALLOCATE "${name.replaceAll('"', '""')}"`)
      const { parsedStatements } = this.#client.connection as unknown as { parsedStatements: Record<string, string> }
      delete parsedStatements[name]
    })
    drop.catch(() => {})
  }

  async #limit<T>(running: Promise<T>, timeoutMs: number): Promise<T> {
    let interrupted: Promise<void> | undefined
    const timer = setTimeout(() => {
      // The interruption may reach the server after the statement ended: the connection is not reused.
      this.broken = true
      interrupted = this.#interruptUntilEnded(running)
    }, timeoutMs)
    try {
      return await running
    } catch (error) {
      if (interrupted === undefined) throw error
      throw new CairnError('TIMEOUT', `The statement was cancelled after ${timeoutMs} ms.`, { cause: error, details: { timeoutMs } })
    } finally {
      clearTimeout(timer)
      await interrupted
    }
  }

  /** A server that has not begun with the statement ignores the first interruption; a deaf one loses the connection. */
  async #interruptUntilEnded(running: Promise<unknown>): Promise<void> {
    const ended = running.then(
      () => true,
      () => true,
    )
    for (let tries = 0; tries < INTERRUPT_TRIES; tries += 1) {
      await this.#options.interrupt()
      if (await Promise.race([ended, sleep(INTERRUPT_WAIT_MS, false)])) return
    }
    this.#client.connection.stream.destroy(new Error('Connection terminated after a time limit'))
  }

  async #parseUserArrays(result: pg.QueryResult): Promise<void> {
    const { arrayTypes } = this.#options
    const fields = result.fields.filter((field) => field.dataTypeID >= FIRST_USER_OID)
    if (fields.length === 0 || result.rows.length === 0) return
    const unknown = fields.map((field) => field.dataTypeID).filter((oid) => !arrayTypes.has(oid))
    if (unknown.length > 0) {
      const found = await this.#send({ text: `SELECT oid, typcategory = 'A' AS is_array FROM pg_type WHERE oid = ANY($1::oid[])`, values: [unknown] })
      for (const row of found.rows as { oid: number; is_array: boolean }[]) arrayTypes.set(row.oid, row.is_array)
    }
    for (const field of fields) {
      if (arrayTypes.get(field.dataTypeID) !== true) continue
      for (const row of result.rows as Record<string, unknown>[]) {
        const value = row[field.name]
        if (typeof value === 'string') row[field.name] = parseTextArray(value)
      }
    }
  }
}

function awaitNear(running: Promise<unknown>, answers: NearAnswers): void {
  const expected = answers.sent()
  const ended = (): void => answers.ended(expected)
  running.then(ended, ended)
}

/** The settings a session has for an identity: role, tenant, actor, user id, agent id. */
function identitySettings(identity: Identity): readonly [role: string, tenant: string, actor: string, user: string, agent: string] {
  if (identity.role === 'owner') return ['none', '', '', '', '']
  if (identity.role === 'maintenance') return ['maintenance_user', '', 'system:maintenance', '', '']
  const { kind, id } = identity.actor
  return ['application_user', identity.tenant, `${kind}:${id}`, kind === 'user' ? id : '', kind === 'agent' ? id : '']
}

/** The statement is gone from the server (DISCARD), or its result has other columns than when it was prepared. */
function isStalePlan(error: unknown): boolean {
  if (!(error instanceof CairnError)) return false
  const state = error.details['sqlState']
  return state === '26000' || (state === '0A000' && error.message.includes('cached plan'))
}

function roleError(error: unknown, role: string): unknown {
  if (!(error instanceof CairnError) || error.code === 'CONNECTION_FAILED' || error.code === 'TIMEOUT') return error
  return new CairnError('PERMISSION_DENIED', `The login role could not act as ${role}: ${error.message}. Run \`cairn migrate up\`, which makes and grants the roles.`, {
    cause: error,
    details: { role },
  })
}

function checkStatement(text: string, values: readonly unknown[], name: string | undefined): void {
  if (typeof text !== 'string' || text.includes('\0')) throw new CairnError('INVALID_ARGUMENT', 'A statement must be text without U+0000.')
  if (values.length > MAX_PARAMETERS) {
    throw new CairnError('INVALID_ARGUMENT', `A statement takes up to ${MAX_PARAMETERS} parameters, got ${values.length}. Pass arrays, or use copyIn.`)
  }
  if (name !== undefined && Buffer.byteLength(name) > MAX_NAME_LENGTH) {
    throw new CairnError('INVALID_ARGUMENT', `The statement name ${JSON.stringify(name)} is longer than ${MAX_NAME_LENGTH} bytes.`)
  }
}
