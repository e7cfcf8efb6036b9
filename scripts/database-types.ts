import type { SqlEngine } from '../packages/core/src/engines/sql/index.ts'
import { OWNER } from '../packages/core/src/identity/index.ts'

interface Column {
  readonly table_schema: string
  readonly table_name: string
  readonly kind: string
  readonly name: string
  readonly type_schema: string
  readonly type_name: string
  readonly is_array: boolean
  readonly is_enum: boolean
  readonly nullable: boolean
  /** `always`: never written by a statement; `default`: may be left out. */
  readonly filled: 'always' | 'default' | ''
}

/** Partitions are left out: statements name the table they belong to. So is the migration runner's own schema. */
const COLUMNS = `
SELECT n.nspname AS table_schema, c.relname AS table_name, c.relkind::text AS kind, a.attname AS name,
  coalesce(en.nspname, tn.nspname) AS type_schema, coalesce(e.typname, t.typname) AS type_name,
  e.oid IS NOT NULL AS is_array, coalesce(e.typtype, t.typtype) = 'e' AS is_enum, NOT a.attnotnull AND c.relkind <> 'v' AS nullable,
  CASE WHEN a.attidentity = 'a' OR a.attgenerated <> '' THEN 'always' WHEN a.atthasdef OR a.attidentity = 'd' THEN 'default' ELSE '' END AS filled
FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' LEFT JOIN pg_namespace en ON en.oid = e.typnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'migrations') AND c.relkind IN ('r', 'p', 'v', 'm')
  AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname, a.attnum`

const ENUMS = `
SELECT n.nspname AS schema, t.typname AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
WHERE n.nspname !~ '^pg_' GROUP BY n.nspname, t.typname ORDER BY n.nspname, t.typname`

/** What a value of the type is when it is read; see SqlSession. Everything else comes as text. */
const TYPES: Readonly<Record<string, string>> = {
  int2: 'number', int4: 'number', int8: 'number', float4: 'number', float8: 'number', numeric: 'number', oid: 'number',
  bool: 'boolean', timestamptz: 'Date', timestamp: 'Date', date: 'Date', json: 'unknown', jsonb: 'unknown', bytea: 'Uint8Array',
}

/** kysely's `Database` interface for a migrated database, as the text of a TypeScript file. */
export async function databaseTypes(engine: SqlEngine): Promise<string> {
  const enums = (await engine.query<{ schema: string; name: string; labels: string[] }>(OWNER, ENUMS)).rows
  const columns = (await engine.query<Column>(OWNER, COLUMNS)).rows
  const tables = Map.groupBy(columns, (column) => `${column.table_schema}.${column.table_name}`)
  const used = new Set<string>()
  const bodies = [...tables].map(([table, members]) => {
    const lines = members.map((column) => `  ${propertyName(column.name)}: ${columnType(column, used)}`)
    return `export interface ${pascal(table)} {\n${lines.join('\n')}\n}\n`
  })
  const unions = enums.map(({ schema, name, labels }) => {
    return `export type ${enumName(schema, name)} =\n${labels.map((label) => `  | ${quoted(label)}`).join('\n')}\n`
  })
  const keys = [...tables.keys()].map((table) => `  ${quoted(table)}: ${pascal(table)}`)
  return [
    '// Made by `npm run generate` from packages/core/migrations. Do not edit.',
    ...(used.size > 0 ? [`import type { ${[...used].sort().join(', ')} } from 'kysely'`] : []),
    '',
    ...unions,
    ...bodies,
    `/** Tables and views by their full name. */\nexport interface Database {\n${keys.join('\n')}\n}`,
    '',
  ].join('\n')
}

function columnType(column: Column, used: Set<string>): string {
  const base = column.is_enum ? enumName(column.type_schema, column.type_name) : (TYPES[column.type_name] ?? 'string')
  const single = column.is_array ? `${base}[]` : base
  const type = column.nullable && single !== 'unknown' ? `${single} | null` : single
  if (column.filled === '') return type
  const wrapper = column.filled === 'always' ? 'GeneratedAlways' : 'Generated'
  used.add(wrapper)
  return `${wrapper}<${type}>`
}

/** Enum types live in the schema `types`, whose name says nothing. */
function enumName(schema: string, name: string): string {
  return pascal(schema === 'types' ? name : `${schema}.${name}`)
}

function pascal(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
