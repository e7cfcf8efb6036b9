import type { SqlEngine } from '../../engines/sql/index.ts'
import { OWNER } from '../../identity/index.ts'
import { CATALOG_QUERIES } from './catalog-queries.ts'

export interface CatalogSnapshotOptions {
  /** Schemas to leave out, e.g. `['migrations']`. @default [] */
  readonly exclude?: readonly string[]
  /** Show the partitions of range-partitioned tables, which are made as time passes. @default true */
  readonly rangePartitions?: boolean
}

/**
 * Everything in the user's schemas as text, one object a line and sorted: schemas, tables, columns, constraints,
 * indexes, sequences, views, functions, triggers, enum labels, policies, grants. Two databases with the same text
 * have the same schema; it does not depend on object ids, on the owner's name, or on PostgreSQL's version from 15 on.
 */
export async function catalogSnapshot(engine: SqlEngine, options: CatalogSnapshotOptions = {}): Promise<string> {
  const values = [options.exclude ?? [], options.rangePartitions ?? true]
  return engine.transaction(
    OWNER,
    async (session) => {
      // With nothing on the path every name is printed with its schema.
      await session.exec("SET LOCAL search_path TO ''")
      const parts: string[] = []
      for (const query of CATALOG_QUERIES) {
        const { rows } = await session.query<{ line: string }>(query, values)
        parts.push(...rows.map(({ line }) => (line.startsWith('view definition ') ? withoutQualifiers(line) : line)).sort())
      }
      return parts.map((line) => `${line}\n`).join('')
    },
    { isolation: 'repeatable read', readOnly: true },
  )
}

/** PostgreSQL 15 names the relation before each column of a view on one relation; later versions do not. */
function withoutQualifiers(line: string): string {
  const sources = [...line.matchAll(/\bFROM (?:ONLY )?\(*([\w."]+)(?: ([a-z_]\w*))?/g)]
  const source = sources[0]
  if (source === undefined || sources.length > 1 || /\bJOIN\b/.test(line)) return line
  const name = source[2] ?? source[1]?.split('.').at(-1) ?? ''
  return line.replaceAll(new RegExp(`(?<![\\w."])${name}\\.`, 'g'), '')
}
