import type { MigrationProblem, MigrationStatus } from '@cairn/core/internal'
import Table from 'cli-table3'

export function statusTable(status: MigrationStatus): string {
  const table = new Table({ head: ['version', 'name', 'state', 'applied', 'ms', 'tries'], style: { head: [], border: [] } })
  for (const row of status.migrations) {
    table.push([row.version, row.name, row.state, row.appliedAt?.toISOString() ?? '', row.executionMs ?? '', row.attempts === 0 ? '' : row.attempts])
  }
  const lines = [table.toString(), `at ${status.current ?? 'nothing'}, ${status.pending} pending`]
  for (const row of status.migrations) if (row.error !== null) lines.push(`${row.version}: ${row.error}`)
  if (status.lock !== null) lines.push(`${status.lock.lockedBy} is migrating since ${status.lock.lockedAt.toISOString()}`)
  return lines.join('\n')
}

export function problemLines(problems: readonly MigrationProblem[]): string {
  return problems.map(({ code, message }) => `${code}: ${message}`).join('\n')
}
