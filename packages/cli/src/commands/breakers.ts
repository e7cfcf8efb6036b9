import { BREAKER_STATES, type BreakerState } from '@cairn/core'
import { Option, type Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

/** Adds `cairn breakers list|show|events|open|close|reset`. */
export function registerBreakersCommands(program: Command): void {
  const breakers = program.command('breakers').description('Circuit breakers of the services that are called')

  withClientFlags(withPageFlags(breakers.command('list')))
    .description('List circuit breakers by name')
    .addOption(new Option('--state <state>', 'only in this state').choices([...BREAKER_STATES]))
    .action((flags: ClientFlags & PageFlags & { state?: BreakerState }) =>
      runWithClient(flags, async (client) => {
        const page = await client.breakers.list({ ...pageFrom(flags), ...(flags.state === undefined ? {} : { state: flags.state }) })
        show(flags, page, () => {
          const rows = page.items.map(({ service, state, forced, recentFailures, nextAttemptAt, lastFailureReason }) => [service, forced ? `${state} (by hand)` : state, recentFailures, nextAttemptAt, lastFailureReason])
          return table(['service', 'state', 'recent failures', 'next attempt', 'last failure'], rows, 'No service was called yet.') + moreLine(page)
        })
      }),
    )

  withClientFlags(breakers.command('show'))
    .description('Show a circuit breaker and how it decides')
    .argument('<service>')
    .action((service: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const breaker = await client.breakers.get(service)
        show(flags, breaker, () => record({ ...breaker, config: JSON.stringify(breaker.config) }))
      }),
    )

  withClientFlags(withPageFlags(breakers.command('events')))
    .description('List changes of state, newest first')
    .argument('[service]')
    .action((service: string | undefined, flags: ClientFlags & PageFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.breakers.events({ ...pageFrom(flags), ...(service === undefined ? {} : { service }) })
        show(flags, page, () => table(['when', 'service', 'from', 'to', 'reason', 'by'], page.items.map((event) => [event.createdAt, event.service, event.from, event.to, event.reason, event.actor]), 'No breaker has changed its state.') + moreLine(page))
      }),
    )

  for (const [name, description] of [
    ['open', 'Refuse every call until it is reset'],
    ['close', 'Let every call through until it is reset'],
    ['reset', 'Close it, and let it decide by itself again'],
  ] as const) {
    withClientFlags(breakers.command(name))
      .description(description)
      .argument('<service>')
      .option('--reason <text>', 'why; kept in the events')
      .action((service: string, flags: ClientFlags & { reason?: string }) =>
        runWithClient(flags, async (client) => {
          const breaker = await client.breakers.move(service, name, flags.reason)
          show(flags, breaker, () => `The breaker of ${service} is ${breaker.state}${breaker.forced ? ' until it is reset' : ''}.`)
        }),
      )
  }
}
