import { advisePoolSize } from '@cairn/core'
import { type Command, InvalidArgumentError } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { EXIT } from '../exit-codes.ts'
import { type OutputFlags, duration, run, show, table } from '../output.ts'

interface AdviceFlags extends OutputFlags {
  readonly agents: number
  readonly ops: number
  readonly durationMs: number
  readonly maxConnections?: number
}

/** Adds `cairn pools status|advise`. */
export function registerPoolsCommands(program: Command): void {
  const pools = program.command('pools').description('Connections: how they are, and how many there should be')

  withClientFlags(pools.command('status'))
    .description('Ask each pool for an answer; exit code 1 when one that is needed gives none')
    .action((flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const report = await client.pools.status()
        show(flags, report, () => {
          const rows = report.pools.map((pool) => [
            pool.pool, pool.status, `${pool.active}/${pool.max}`, pool.idle, pool.pending, pool.latencyMs === null ? '' : duration(pool.latencyMs),
            pool.replica === null ? '' : duration(pool.replica.lagMs), pool.address, pool.error ?? '',
          ])
          const kv = [report.kv.engine, report.kv.status, '', '', '', report.kv.latencyMs === null ? '' : duration(report.kv.latencyMs), '', '', report.kv.error ?? '']
          const lines = [table(['pool', 'status', 'active', 'idle', 'waiting', 'answer', 'lag', 'address', 'error'], [...rows, kv])]
          if (report.server !== null) lines.push(`The server has ${report.server.total} of ${report.server.maxConnections} connections (${report.server.status}).`, ...report.server.recommendations)
          for (const { severity, alert, message } of report.alerts) lines.push(`${severity} ${alert}: ${message}`)
          return lines.join('\n')
        })
        return report.status === 'unhealthy' ? EXIT.failed : EXIT.ok
      }),
    )

  pools
    .command('advise')
    .description('Say how many connections a load needs, and why; opens nothing')
    .requiredOption('--agents <n>', 'agents that run at the same time', wholeNumber(0, 1_000_000))
    .requiredOption('--ops <n>', 'operations a second, of all agents together', notNegative)
    .requiredOption('--duration-ms <ms>', 'how long an operation keeps its connection, on average', notNegative)
    .option('--max-connections <n>', 'connections that the server can give', wholeNumber(1, 1_000_000))
    .option('--json', 'print JSON')
    .action((flags: AdviceFlags) =>
      run(flags, async () => {
        const { agents, ops, durationMs, maxConnections } = flags
        const advice = advisePoolSize({ agents, opsPerSecond: ops, durationMs, ...(maxConnections === undefined ? {} : { maxConnections }) })
        show(flags, advice, () => [`max ${advice.max}, min ${advice.min}`, '', ...advice.reasoning, ...advice.risks.map((risk) => `Risk: ${risk}`)].join('\n'))
      }),
    )
}

function notNegative(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('It must be a number, 0 or more.')
  return value
}
