import type { SqlEngine } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import { messageOf, StepFailure } from './failure.ts'
import type { MigrationScript } from './migration.ts'
import { STATEMENT_LIMIT_MS, STATEMENT_MARK } from './migration-lock.ts'
import { type SqlStatement, splitStatements } from './sql-statements.ts'
import { READ_INDEX, READ_INDEX_OF_TABLE, WRITE_PROGRESS } from './tracking-queries.ts'

const NAME = String.raw`((?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?)`
const CREATE_CONCURRENTLY = new RegExp(String.raw`\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?${NAME}\s+ON\s+(?:ONLY\s+)?${NAME}`, 'i')
const DROP_CONCURRENTLY = new RegExp(String.raw`\bDROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?${NAME}\s*$`, 'i')

export interface StatementRun {
  readonly version: string
  readonly file: string
  readonly direction: 'up' | 'down'
  readonly script: MigrationScript
  /** Statements that an earlier run is known to have completed. */
  readonly done: number
  /** An earlier run was cut off: what it did last may be in the database without being recorded. */
  readonly resumed: boolean
}

/**
 * Runs a script statement by statement outside a transaction and records each. The caller holds the migration
 * lock. An index that an interrupted CREATE INDEX CONCURRENTLY left invalid is dropped and built again; one that
 * was completed but not recorded is kept. Other statements of a resumed run may run twice.
 *
 * Throws StepFailure with the number of statements done.
 */
export async function runStatements(engine: SqlEngine, run: StatementRun): Promise<void> {
  let from = run.done
  for (const [index, statement] of splitStatements(run.script.sql).entries()) {
    if (index < run.done) continue
    const started = performance.now()
    try {
      const mark = `${STATEMENT_MARK}${run.version} ${run.direction} ${index + 1} */`
      if (await isNeeded(engine, statement, run.resumed)) {
        await engine.query(OWNER, `${mark}\n${statement.text}`, [], { timeoutMs: STATEMENT_LIMIT_MS })
      }
      from = index + 1
      if (run.direction === 'up') await progress(engine, run.version, from, performance.now() - started)
    } catch (error) {
      throw new StepFailure(`${run.file}:${run.script.line + statement.line - 1}: ${messageOf(error)}`, error, from)
    }
  }
}

async function progress(engine: SqlEngine, version: string, done: number, milliseconds: number): Promise<void> {
  await engine.query(OWNER, WRITE_PROGRESS, [version, 'running', done, null, Math.round(milliseconds)])
}

async function isNeeded(engine: SqlEngine, { text }: SqlStatement, resumed: boolean): Promise<boolean> {
  const [, index, table] = CREATE_CONCURRENTLY.exec(text) ?? []
  if (index !== undefined && table !== undefined) {
    const found = await engine.query<{ index_name: string; valid: boolean }>(OWNER, READ_INDEX_OF_TABLE, [table, plainName(index)])
    const existing = found.rows[0]
    if (existing?.valid === false) await engine.query(OWNER, `DROP INDEX CONCURRENTLY IF EXISTS ${existing.index_name}`)
    return !(existing?.valid === true && resumed)
  }
  const dropped = DROP_CONCURRENTLY.exec(text)?.[1]
  if (dropped !== undefined && resumed) {
    return (await engine.query<{ present: boolean }>(OWNER, READ_INDEX, [dropped])).rows[0]?.present === true
  }
  return true
}

/** An unquoted name is folded to lower case, as the server does. */
function plainName(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase()
}
