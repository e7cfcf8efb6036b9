import { type EventStreamName, CairnError } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags } from '../engine-flags.ts'
import { onStopSignal } from '../graceful-stop.ts'
import { duration, oneLine, print, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

const STREAMS = 'AGENT_STATE, TASK_EXECUTION, AGENT_MESSAGES or EVENTS'
const STOP_MS = 5_000

interface TailFlags extends ClientFlags {
  readonly filter?: string
  readonly from?: 'all' | 'last' | 'new'
  readonly count?: string
}

interface PublishFlags extends ClientFlags {
  readonly id?: string
  readonly header?: readonly string[]
}

/** Adds `cairn events tail|publish|status|dead-letters|redrive|discard`. */
export function registerEventsCommands(program: Command): void {
  const events = program.command('events').description('Events: what happens, as it happens')

  withClientFlags(events.command('tail'))
    .description('Show events as they come, until Ctrl-C; with --json one object a line')
    .argument('[stream]', STREAMS, 'EVENTS')
    .option('--filter <pattern>', "of subjects: * is one token, > the rest (default: '>')")
    .option('--from <where>', 'new, all, or last: the newest of each subject first', 'new')
    .option('--count <n>', 'end after so many events')
    .action((stream: string, flags: TailFlags) =>
      runWithClient(flags, async (client) => {
        const count = flags.count === undefined ? Number.POSITIVE_INFINITY : wholeFlag('count', flags.count)
        const stop = new AbortController()
        // Nobody reads on, as with `| head`.
        process.stdout.once('error', () => stop.abort())
        const signal = AbortSignal.any([stop.signal, onStopSignal(STOP_MS, (text) => process.stderr.write(`${text}\n`))])
        let seen = 0
        for await (const event of client.events.tail({ stream: stream as EventStreamName, from: flags.from ?? 'new', signal, ...(flags.filter === undefined ? {} : { filter: flags.filter }) })) {
          print(flags.json === true ? JSON.stringify(event) : `${event.publishedAt}  ${event.subject}  ${oneLine(JSON.stringify(event.payload), 120)}`)
          if (++seen >= count) break
        }
        stop.abort()
      }),
    )

  withClientFlags(events.command('publish'))
    .description('Publish an event')
    .argument('<subject>', '<kind>.<event>.<entity...>, for instance events.invoice.42')
    .argument('[payload]', 'JSON', 'null')
    .option('--id <id>', 'the same id again is not stored again')
    .option('--header <name=value...>', 'headers')
    .action((subject: string, payload: string, flags: PublishFlags) =>
      runWithClient(flags, async (client) => {
        const published = await client.events.publish({ subject, payload: parsePayload(payload), ...(flags.id === undefined ? {} : { id: flags.id }), ...headersFrom(flags) })
        show(flags, published, () => `Published ${published.id}.`)
      }),
    )

  withClientFlags(events.command('status'))
    .description('The event streams as they are, beside what was asked for, and the relay')
    .action((flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const status = await client.events.status()
        show(flags, status, () => {
          const rows = status.streams.map((each) => [each.name, each.exists ? each.messages : 'not made yet', each.bytes, each.storage, each.replicas, each.differences.map(({ setting, wished, actual }) => `${setting}: ${String(actual)} and not ${String(wished)}`).join('; ')])
          const consumers = status.streams.flatMap(({ name, consumers: of }) => of.map((each) => [name, each.name, each.filter, each.waiting, each.pending]))
          const { relay } = status
          const about = { log: status.log, connected: status.connected, server: status.serverVersion, ...(relay === null ? {} : { 'relay here': relay.leading, 'waiting in the outbox': relay.waiting, 'oldest waits': duration(relay.oldestMs), 'last error': relay.lastError }) }
          return `${record(about)}\n\n${table(['stream', 'messages', 'bytes', 'storage', 'replicas', 'otherwise than asked'], rows)}\n\n${table(['stream', 'consumer', 'filter', 'waiting', 'pending'], consumers, 'No durable consumers.')}`
        })
      }),
    )

  withClientFlags(withPageFlags(events.command('dead-letters')))
    .description('List events that were given up, oldest first')
    .option('--stream <name>', STREAMS)
    .option('--consumer <name>', "only of this consumer; 'relay' for those that never left")
    .action((flags: ClientFlags & PageFlags & { stream?: string; consumer?: string }) =>
      runWithClient(flags, async (client) => {
        const page = await client.events.deadLetters({ ...pageFrom(flags), ...(flags.stream === undefined ? {} : { stream: flags.stream }), ...(flags.consumer === undefined ? {} : { consumer: flags.consumer }) })
        show(flags, page, () => {
          const rows = page.items.map(({ id, consumer, event, deliveries, reason, buriedAt }) => [id, event.subject, consumer, deliveries, buriedAt, oneLine(reason ?? JSON.stringify(event.payload), 60)])
          return table(['id', 'subject', 'consumer', 'deliveries', 'given up', 'reason or payload'], rows, 'No dead letters.') + moreLine(page)
        })
      }),
    )

  withClientFlags(events.command('redrive'))
    .description('Publish dead letters again, each under a new id')
    .argument('<id...>')
    .action((ids: string[], flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const redriven: { deadLetter: string; id: string }[] = []
        for (const deadLetter of ids) redriven.push({ deadLetter, ...(await client.events.redrive(deadLetter)) })
        show(flags, redriven, () => redriven.map(({ deadLetter, id }) => `${deadLetter} is published again as ${id}.`).join('\n'))
      }),
    )

  withClientFlags(events.command('discard'))
    .description('Remove a dead letter for good')
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action((id: string, flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Remove the dead letter ${id}?`)
        const deleted = await client.events.discard(id)
        show(flags, { deleted }, () => (deleted ? `${id} is gone.` : `There is no dead letter ${id}.`))
      }),
    )
}

function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CairnError('INVALID_ARGUMENT', `payload: ${JSON.stringify(text.slice(0, 80))} is not JSON. A text needs quotes of its own: '"hello"'.`, { cause: error, details: { field: 'payload' } })
  }
}

function headersFrom(flags: PublishFlags): { headers?: Record<string, string> } {
  if (flags.header === undefined) return {}
  return {
    headers: Object.fromEntries(
      flags.header.map((pair) => {
        const at = pair.indexOf('=')
        if (at < 1) throw new CairnError('INVALID_OPTION', `--header: ${JSON.stringify(pair)} is not name=value.`, { details: { option: 'header' } })
        return [pair.slice(0, at), pair.slice(at + 1)]
      }),
    ),
  }
}

function wholeFlag(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new CairnError('INVALID_OPTION', `--${option}: ${JSON.stringify(text)} is not a whole number above 0.`, { details: { option } })
  return value
}
