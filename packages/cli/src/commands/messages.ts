import { CairnError, type SendInput } from '@cairn/core'
import type { Command } from 'commander'
import { runWithClient } from '../client/open-client.ts'
import { isRead } from '../closed-pipes.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, withClientFlags, wholeNumber } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

interface SendFlags extends ClientFlags {
  readonly from?: string
  readonly toType?: string
  readonly channel?: string
  readonly queue?: string
  readonly subject?: string
  readonly priority?: number
  readonly key?: string
}

/** Adds `cairn messages send|inbox|list|show|dead|redrive`. */
export function registerMessagesCommands(program: Command): void {
  const messages = program.command('messages').description('Messages between agents')

  withClientFlags(messages.command('send'))
    .description('Send a message to an agent, or with a flag to a type, a channel or a queue')
    .argument('<payload>', 'JSON')
    .argument('[agent]', 'id or key of the recipient')
    .option('--from <agent>', 'the sender')
    .option('--to-type <type>', 'to every agent of this type')
    .option('--channel <name>', 'to a channel')
    .option('--queue <name>', 'to a queue')
    .option('--subject <subject>', 'tokens between dots')
    .option('--priority <n>', '1 to 10, lower first (default: 5)', wholeNumber(1, 10))
    .option('--key <key>', 'idempotency key: the same key is sent once')
    .action((payload: string, agent: string | undefined, { from, toType, channel, queue, subject, priority, key, ...flags }: SendFlags) =>
      runWithClient(flags, async (client) => {
        const fields = { to: agent, from, toType, channel, queue, subject, priority, idempotencyKey: key }
        const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as SendInput
        const sent = await client.messages.send({ ...given, payload: parse(payload) })
        show(flags, sent, () => `Message ${sent.id} was ${sent.duplicate ? 'sent before' : 'sent'} to ${sent.recipients} inboxes.`)
      }),
    )

  withClientFlags(messages.command('inbox'))
    .description("Take an agent's messages and acknowledge them")
    .argument('<agent>', 'id or key')
    .option('--limit <n>', 'messages at most, 1 to 1000 (default: 16)', wholeNumber(1, 1000))
    .option('--wait <ms>', 'wait for the first as long (default: 0)', wholeNumber(0, 55_000))
    .option('--queue <name...>', 'take from these queues as well')
    .option('--keep', 'do not acknowledge: they come again when the lease is over')
    .action((agent: string, { limit, wait, queue, keep, ...flags }: ClientFlags & { limit?: number; wait?: number; queue?: string[]; keep?: boolean }) =>
      runWithClient(flags, async (client) => {
        const taken = await client.messages.receive(agent, { ...(limit === undefined ? {} : { limit }), ...(wait === undefined ? {} : { waitMs: wait }), ...(queue === undefined ? {} : { queues: queue }) })
        show(flags, { messages: taken }, () => {
          const rows = taken.map(({ id, from, subject, priority, payload }) => [id, from ?? '-', subject ?? '-', priority, oneLine(JSON.stringify(payload), 80)])
          return table(['id', 'from', 'subject', 'priority', 'payload'], rows, 'The inbox is empty.')
        })
        // Not before they were shown: what nobody has seen comes again.
        if (keep !== true && (await isRead())) for (const { deliveryId, leaseNo } of taken) await client.messages.settle({ deliveryId, leaseNo, outcome: 'ack' })
      }),
    )

  withClientFlags(withPageFlags(messages.command('list')))
    .description('List what was sent, newest first')
    .option('--channel <name>', 'only of this channel')
    .option('--from <agent>', 'only from this agent')
    .option('--to <agent>', 'only to this agent')
    .action((flags: ClientFlags & PageFlags & { channel?: string; from?: string; to?: string }) =>
      runWithClient(flags, async (client) => {
        const { channel, from, to } = flags
        const page = await client.messages.list({ ...pageFrom(flags), ...(channel === undefined ? {} : { channel }), ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) })
        show(flags, page, () => {
          const rows = page.items.map(({ id, kind, from: sender, to: target, payload, createdAt }) => [id, kind, sender ?? '-', target ?? '-', oneLine(JSON.stringify(payload), 60), createdAt])
          return table(['id', 'kind', 'from', 'to', 'payload', 'sent'], rows, 'No messages.') + moreLine(page)
        })
      }),
    )

  withClientFlags(messages.command('show'))
    .description('Show a message and the status of its deliveries')
    .argument('<id>')
    .action((id: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const { deliveries, ...message } = await client.messages.get(id)
        show(flags, { ...message, deliveries }, () => {
          const rows = deliveries.map((each) => [each.agentId ?? each.queueId ?? '-', each.status, each.attempts, each.error ?? '-'])
          return `${record(message)}\n${table(['inbox', 'status', 'attempts', 'error'], rows, 'It went to no inbox.')}`
        })
      }),
    )

  withClientFlags(withPageFlags(messages.command('dead')))
    .description('List messages that were given up, oldest first')
    .action((flags: ClientFlags & PageFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.messages.deadLetters(pageFrom(flags))
        show(flags, page, () => table(['id', 'message', 'reason', 'attempts'], page.items.map(({ id, messageId, reason, attempts }) => [id, messageId, oneLine(reason, 80), attempts]), 'No dead letters.') + moreLine(page))
      }),
    )

  withClientFlags(messages.command('redrive'))
    .description('Send dead letters again')
    .argument('<id...>', 'ids of dead letters')
    .option('--yes', 'do not ask')
    .action((ids: string[], flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Send ${ids.length} dead letters again?`)
        const redriven = await client.messages.redrive(ids)
        show(flags, { messages: redriven }, () => `${redriven.length} of ${ids.length} were sent again.`)
      }),
    )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `payload: ${JSON.stringify(text)} is not JSON. A text needs quotes of its own: '"hello"'.`, { cause, details: { option: 'payload' } })
  }
}
