import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CairnOptions, isCairnError, open } from '@cairn/core'
import { type KvEngine, type SqlEngine, openJetStream, openLmdb, openPglite, openPostgres, resolveOptions } from '@cairn/core/internal'
import { type HealthAnswer, askHealth, findRunningServer } from '../running/find-server.ts'
import { failure } from './engine-errors.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { checkDataDir, checkNode, checkPort } from './machine-checks.ts'
import { checkNats } from './nats-checks.ts'
import { checkClock, checkSchema, checkServer } from './sql-checks.ts'

/** Looks at everything a start needs, one thing after the other; `onFinding` sees each as it is found. Changes nothing but what a start would. */
export async function runChecks(given: CairnOptions, listen: { host: string; port: number }, onFinding: (finding: Finding) => void): Promise<Finding[]> {
  const doctor = new Doctor(given, onFinding)
  await doctor.run(listen)
  return doctor.findings
}

type Options = ReturnType<typeof resolveOptions>

class Doctor {
  readonly findings: Finding[] = []
  readonly #given: CairnOptions
  readonly #onFinding: (finding: Finding) => void

  constructor(given: CairnOptions, onFinding: (finding: Finding) => void) {
    this.#given = given
    this.#onFinding = onFinding
  }

  async run(listen: { host: string; port: number }): Promise<void> {
    this.#add(checkNode())
    let options: Options
    try {
      options = resolveOptions(this.#given)
    } catch (error) {
      this.#add(failure('options', error))
      return
    }
    this.#add(ok('options', `SQL: ${options.postgres === undefined ? 'PGlite' : 'PostgreSQL'}, KV: ${options.nats === undefined ? 'LMDB' : 'NATS JetStream'}, tenant: ${options.tenant}`))
    const embedded = options.postgres === undefined || options.nats === undefined
    if (embedded) this.#add(...checkDataDir(options.dataDir))
    const canOpen = this.#noFailure()

    const running = embedded ? await findRunningServer(options.dataDir) : undefined
    if (running !== undefined) this.#add(ok('data directory owner', `the Cairn at ${running} has it open; it is asked instead`))
    const schemaReady = canOpen && (await this.#sql(options, running))
    if (canOpen || options.nats !== undefined) await this.#kv(options, running)
    this.#add(await checkPort(listen.host, listen.port))
    await this.#consistency(running, schemaReady)
  }

  /** True when the schema is there and complete. */
  async #sql(options: Options, running: string | undefined): Promise<boolean> {
    const { postgres, dataDir } = options
    if (postgres === undefined && running !== undefined) return false
    if (postgres === undefined && !existsSync(join(dataDir, 'pg'))) {
      this.#add(ok('PGlite', 'no database yet; the first start makes it, which takes some seconds'))
      return false
    }
    const name = postgres === undefined ? 'PGlite' : 'PostgreSQL'
    let sql: SqlEngine
    try {
      sql = postgres === undefined ? await openPglite({ dataDir: join(dataDir, 'pg') }) : await openPostgres(postgres)
    } catch (error) {
      this.#add(isCairnError(error, 'DATA_DIR_LOCKED') ? lockedBy(error) : failure(name, error))
      return false
    }
    try {
      const pingMs = await sql.ping()
      this.#add(ok(name, `reachable, login accepted, a round trip takes ${pingMs.toFixed(1)} ms`))
      if (postgres !== undefined) this.#add(...(await checkServer(sql, options)))
      const schema = await checkSchema(sql)
      this.#add(...schema)
      if (postgres !== undefined) this.#add(await checkClock(sql))
      return schema.every(({ status, what }) => status === 'ok' && what.endsWith('nothing pending'))
    } catch (error) {
      this.#add(failure(name, error))
      return false
    } finally {
      await sql.close()
    }
  }

  async #kv(options: Options, running: string | undefined): Promise<void> {
    const { nats, dataDir } = options
    if (nats === undefined && (running !== undefined || !existsSync(join(dataDir, 'kv')))) return
    let kv: KvEngine
    try {
      kv = nats === undefined ? await openLmdb({ path: join(dataDir, 'kv') }) : await openJetStream(nats)
    } catch (error) {
      this.#add(isCairnError(error, 'DATA_DIR_LOCKED') ? lockedBy(error) : failure(nats === undefined ? 'LMDB' : 'NATS', error))
      return
    }
    try {
      if (nats === undefined) this.#add(ok('LMDB', `opens, a round trip takes ${(await kv.ping()).toFixed(2)} ms`))
      else this.#add(...(await checkNats(kv)))
    } catch (error) {
      this.#add(failure(nats === undefined ? 'LMDB' : 'NATS', error))
    } finally {
      await kv.close()
    }
  }

  /** How far SQL is behind the hot tier: asked from the Cairn that runs, else by opening what a start would open. */
  async #consistency(running: string | undefined, schemaReady: boolean): Promise<void> {
    if (running !== undefined) {
      const report = await askHealth(running)
      if (report === undefined) this.#add(fail('health', `the Cairn at ${running} does not answer`, 'It may hang or be overloaded.', 'See its log; stop it and start it again.'))
      else this.#add(...healthFindings(report))
    } else if (schemaReady && this.#noFailure()) {
      try {
        await using cairn = await open({ ...this.#given, migrate: 'check' })
        this.#add(...healthFindings(await cairn.health.check()))
      } catch (error) {
        this.#add(failure('health', error))
      }
    }
  }

  #noFailure(): boolean {
    return this.findings.every(({ status }) => status !== 'fail')
  }

  #add(...findings: readonly Finding[]): void {
    for (const finding of findings) {
      this.findings.push(finding)
      this.#onFinding(finding)
    }
  }
}

function lockedBy(error: Error): Finding {
  return warn('data directory owner', error.message, 'Only one process at a time can use an embedded data directory, and this one answers no request.', 'Wait until it has ended or stop it; if it is a server, name it with --server. Servers (--postgres, --nats) can be shared.')
}

function healthFindings(report: HealthAnswer): Finding[] {
  return report.checks.map(({ name, status, message }) => {
    if (status === 'healthy') return ok(name, message)
    const why = name === 'consistency' ? 'What is not in SQL yet lives in the hot tier alone.' : 'Calls wait for it.'
    const mend = name === 'consistency' ? 'See that SQL takes writes; the backlog is written by itself.' : 'Look at the load of the machine and the network to the server.'
    return (status === 'degraded' ? warn : fail)(name, message, why, mend)
  })
}
