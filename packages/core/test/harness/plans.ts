import type { Identity } from '../../src/identity/index.ts'
import type { SqlEngine } from '../../src/engines/sql/index.ts'

/** What a statement did, as PostgreSQL counts it. */
export interface PlanCost {
  /** Rows that came out of its uppermost node. */
  readonly returned: number
  /** Rows looked at in tables and indexes, those thrown away as well. */
  readonly read: number
  /** Pages of 8 KiB, of functions it calls as well. */
  readonly pages: number
  /** Tables read from one end to the other, of which more than 100 rows were looked at. */
  readonly wholeTables: readonly string[]
  readonly indexes: readonly string[]
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Runs a statement, with all its effects, and says what it cost. */
export async function costOf(engine: SqlEngine, identity: Identity, text: string, values: readonly unknown[] = []): Promise<PlanCost> {
  const { rows } = await engine.query<{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }>(identity, `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${text}`, values)
  const root = rows[0]?.['QUERY PLAN'][0].Plan
  if (root === undefined) throw new Error(`EXPLAIN said nothing of: ${text}`)
  const nodes = flat(root)
  const scans = nodes.filter((node) => node['Relation Name'] !== undefined && node['Node Type'].endsWith('Scan'))
  return {
    returned: root['Actual Rows'] * root['Actual Loops'],
    read: Math.round(scans.map(rowsOf).reduce((sum, each) => sum + each, 0)),
    pages: (root['Shared Hit Blocks'] ?? 0) + (root['Shared Read Blocks'] ?? 0),
    wholeTables: scans.filter((node) => node['Node Type'] === 'Seq Scan' && rowsOf(node) > 100).map((node) => node['Relation Name'] as string),
    indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
  }
}

function rowsOf(node: PlanNode): number {
  return (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * node['Actual Loops']
}

function flat(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flat)]
}

/** An engine that also measures each statement outside of transactions, before it runs it; statements that change rows are only run. */
export function measuring(engine: SqlEngine, costs: PlanCost[]): SqlEngine {
  return new Proxy(engine, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (name !== 'query') return typeof found === 'function' ? (found.bind(target) as unknown) : found
      const query: SqlEngine['query'] = async (identity, text, values, options) => {
        if (!/\b(INSERT|UPDATE|DELETE)\b/.test(text)) costs.push(await costOf(engine, identity, text, values))
        return engine.query(identity, text, values, options)
      }
      return query
    },
  })
}
