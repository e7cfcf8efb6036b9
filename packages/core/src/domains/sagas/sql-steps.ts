import pg from 'pg'
import { CairnError } from '../../errors/index.ts'
import type { SqlSession } from '../../engines/sql/index.ts'
import { canonicalJson } from '../../state/index.ts'
import { bad } from './definition.ts'
import { SELECT_IMAGES } from './sagas-queries.ts'
import { columnsOf, list, match, quote, tableFacts, type TableFacts } from './sql-tables.ts'
import type { SqlRow } from './types.ts'

const MAX_ROWS = 1_000

/** What a step found and left; the images are JSON texts that only the database reads, so that no number loses digits. */
export interface SqlEffect {
  readonly target: string
  readonly before: string
  readonly after: string
  readonly result: unknown
}

interface Image {
  readonly key: string
  readonly row: string
}

interface ImagePair {
  readonly before: string | null
  readonly after: string | null
  readonly table: string
  readonly columns: readonly string[]
}

export async function insertRow(session: SqlSession, tenant: string, spec: { table: string; row: SqlRow }): Promise<SqlEffect> {
  const facts = await tableFacts(session, spec.table)
  const names = columnsOf(facts, spec.row, 'row')
  const text = `INSERT INTO ${facts.sql} AS t (tenant_id, ${list(names)}) SELECT $1, ${list(names, 'r.')} FROM jsonb_populate_record(NULL::${facts.sql}, $2::jsonb) AS r
RETURNING ${image(facts)}`
  const { rows } = await session.query<Image>(text, [tenant, canonicalJson(spec.row)])
  return effect(spec.table, [], rows, names, JSON.parse(rows[0]?.key ?? 'null'))
}

export async function updateRows(session: SqlSession, tenant: string, spec: { table: string; where: SqlRow; set: SqlRow }): Promise<SqlEffect> {
  const facts = await tableFacts(session, spec.table)
  const names = columnsOf(facts, spec.set, 'set', facts.key)
  const before = await lockRows(session, tenant, facts, spec)
  if (before.length === 0) throw new CairnError('NOT_FOUND', `update: no row of ${spec.table} has these values: ${oneLine(spec.where)}.`, { details: { table: spec.table } })
  const text = `UPDATE ${facts.sql} AS t SET ${names.map((name) => `${quote(name)} = s.${quote(name)}`).join(', ')} FROM jsonb_populate_record(NULL::${facts.sql}, $3::jsonb) AS s, ${where(facts)}
WHERE ${found(facts, spec.where)} RETURNING ${image(facts)}`
  const { rows } = await session.query<Image>(text, [tenant, canonicalJson(spec.where), canonicalJson(spec.set)])
  const after = new Map(rows.map((row) => [row.key, row]))
  return effect(spec.table, before, before.map(({ key }) => after.get(key) as Image), names, rows.length)
}

export async function deleteRows(session: SqlSession, tenant: string, spec: { table: string; where: SqlRow }): Promise<SqlEffect> {
  const facts = await tableFacts(session, spec.table)
  const before = await lockRows(session, tenant, facts, spec)
  const text = `DELETE FROM ${facts.sql} AS t USING ${where(facts)} WHERE ${found(facts, spec.where)}`
  if (before.length > 0) await session.query(text, [tenant, canonicalJson(spec.where)])
  return effect(spec.table, before, [], [], before.length)
}

/** Puts back what the step found, row by row, last first; CONSISTENCY_VIOLATION when somebody changed a row since. */
export async function restoreRows(session: SqlSession, tenant: string, sagaId: string, step: number): Promise<void> {
  const { rows } = await session.query<ImagePair>(SELECT_IMAGES, [tenant, sagaId, step])
  const table = rows[0]?.table
  if (table === undefined) return
  const facts = await tableFacts(session, table)
  for (const { before, after, columns } of rows.reverse()) {
    const restored =
      before === null
        ? await uninsert(session, tenant, facts, after as string)
        : after === null
          ? await reinsert(session, tenant, facts, before)
          : await unupdate(session, tenant, facts, before, after, columns)
    if (!restored) {
      throw new CairnError('CONSISTENCY_VIOLATION', `A row of ${table} was changed by others after the saga's step: its former values were not put back over it. Look at the row, then resolve, skip or retry.`, { details: { table } })
    }
  }
}

async function uninsert(session: SqlSession, tenant: string, facts: TableFacts, after: string): Promise<boolean> {
  const row = `jsonb_populate_record(NULL::${facts.sql}, $2::jsonb) AS k`
  const same = `t.tenant_id = $1 AND ${match(facts.key, 'k')}`
  const gone = await session.query(`DELETE FROM ${facts.sql} AS t USING ${row} WHERE ${same} AND to_jsonb(t) - 'updated_at' = $2::jsonb - 'updated_at'`, [tenant, after])
  if (gone.rowCount > 0) return true
  return (await session.query(`SELECT 1 FROM ${facts.sql} AS t, ${row} WHERE ${same}`, [tenant, after])).rows.length === 0
}

async function reinsert(session: SqlSession, tenant: string, facts: TableFacts, before: string): Promise<boolean> {
  const names = facts.columns.filter(({ generated }) => !generated).map(({ name }) => name)
  const row = `jsonb_populate_record(NULL::${facts.sql}, $2::jsonb) AS r`
  const text = `INSERT INTO ${facts.sql} (${list(names)}) OVERRIDING SYSTEM VALUE SELECT ${list(names, 'r.')} FROM ${row} WHERE r.tenant_id = $1 ON CONFLICT DO NOTHING`
  if ((await session.query(text, [tenant, before])).rowCount > 0) return true
  const there = `SELECT 1 FROM ${facts.sql} AS t, ${row} WHERE t.tenant_id = $1 AND ${match(facts.key, 'r')} AND to_jsonb(t) - 'updated_at' = $2::jsonb - 'updated_at'`
  return (await session.query(there, [tenant, before])).rows.length > 0
}

/** Only the columns that the step set: what others did to the rest of the row stays. */
async function unupdate(session: SqlSession, tenant: string, facts: TableFacts, before: string, after: string, columns: readonly string[]): Promise<boolean> {
  const agrees = (parameter: string): string => columns.map((name) => `to_jsonb(t) -> ${pg.escapeLiteral(name)} = ${parameter}::jsonb -> ${pg.escapeLiteral(name)}`).join(' AND ')
  const row = `jsonb_populate_record(NULL::${facts.sql}, $2::jsonb) AS b`
  const same = `t.tenant_id = $1 AND ${match(facts.key, 'b')}`
  const text = `UPDATE ${facts.sql} AS t SET ${columns.map((name) => `${quote(name)} = b.${quote(name)}`).join(', ')} FROM ${row} WHERE ${same} AND ${agrees('$3')}`
  if ((await session.query(text, [tenant, before, after])).rowCount > 0) return true
  return (await session.query(`SELECT 1 FROM ${facts.sql} AS t, ${row} WHERE ${same} AND ${agrees('$2')}`, [tenant, before])).rows.length > 0
}

async function lockRows(session: SqlSession, tenant: string, facts: TableFacts, spec: { table: string; where: SqlRow }): Promise<Image[]> {
  columnsOf(facts, spec.where, 'where')
  const text = `SELECT ${image(facts)} FROM ${facts.sql} AS t, ${where(facts)} WHERE ${found(facts, spec.where)} ORDER BY 1 LIMIT ${MAX_ROWS + 1} FOR UPDATE OF t`
  const { rows } = await session.query<Image>(text, [tenant, canonicalJson(spec.where)])
  if (rows.length > MAX_ROWS) bad('where', `more than ${MAX_ROWS} rows of ${spec.table} have these values; a step keeps the former values of up to ${MAX_ROWS}`)
  return rows
}

const image = (facts: TableFacts): string => `jsonb_build_array(${list(facts.key, 't.')})::text AS key, to_jsonb(t)::text AS row`
const where = (facts: TableFacts): string => `jsonb_populate_record(NULL::${facts.sql}, $2::jsonb) AS w`

function found(facts: TableFacts, values: SqlRow): string {
  const conditions = columnsOf(facts, values, 'where').map((name) => (values[name] === null ? `t.${quote(name)} IS NULL` : `t.${quote(name)} = w.${quote(name)}`))
  return ['t.tenant_id = $1', ...conditions].join(' AND ')
}

function effect(table: string, before: readonly Image[], after: readonly Image[], columns: readonly string[], result: unknown): SqlEffect {
  const rows = (images: readonly Image[]): string => `[${images.map(({ row }) => row).join(',')}]`
  const written = columns.filter((name) => name !== 'updated_at')
  return { target: table, before: `{"rows":${rows(before)}}`, after: `{"table":${JSON.stringify(table)},"columns":${JSON.stringify(written)},"rows":${rows(after)}}`, result }
}

function oneLine(values: SqlRow): string {
  return canonicalJson(values).slice(0, 200)
}
