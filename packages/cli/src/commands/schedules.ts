import { CATCH_UP_POLICIES, CairnError, type CatchUpPolicy, type NewSchedule, SCHEDULE_STATUSES, type ScheduleStatus } from '@cairn/core'
import { type Command, Option } from 'commander'
import type { CairnClient } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

type ScheduleJson = Awaited<ReturnType<CairnClient['schedules']['add']>>

interface AddFlags extends ClientFlags {
  readonly type: string
  readonly payload?: string
  readonly cron?: string
  readonly every?: number
  readonly at?: string
  readonly timeZone?: string
  readonly starts?: string
  readonly ends?: string
  readonly catchUp?: CatchUpPolicy
  readonly jitter?: number
  readonly description?: string
  readonly paused?: boolean
  readonly replace?: boolean
}

/** Adds `cairn schedules list|add|pause|resume|trigger|remove|next`. */
export function registerSchedulesCommands(program: Command): void {
  const schedules = program.command('schedules').description('List, add, pause, resume, trigger and remove schedules of tasks')

  withClientFlags(withPageFlags(schedules.command('list')))
    .description('List schedules by key')
    .addOption(new Option('--status <status>', 'only in this status').choices([...SCHEDULE_STATUSES]))
    .action((flags: ClientFlags & PageFlags & { status?: ScheduleStatus }) =>
      runWithClient(flags, async (client) => {
        const page = await client.schedules.list({ ...pageFrom(flags), ...(flags.status === undefined ? {} : { status: flags.status }) })
        show(flags, page, () => {
          const rows = page.items.map((each) => [each.key, when(each), each.task.type, each.status, each.nextRunAt ?? '', each.lastRunAt ?? '', each.runCount, oneLine(each.lastError ?? '', 40)])
          return table(['key', 'when', 'task', 'status', 'next', 'last', 'ticks', 'error'], rows, 'There are no schedules.') + moreLine(page)
        })
      }),
    )

  withClientFlags(schedules.command('add'))
    .description('Add a schedule: one of --cron, --every and --at')
    .argument('<key>', 'its name')
    .requiredOption('--type <type>', 'type of its tasks')
    .option('--payload <json>', 'what their handler gets (default: {})')
    .option('--cron <expression>', "five fields, or six with seconds first: '30 2 * * *'")
    .option('--every <ms>', 'so many ms apart', wholeNumber(1000, 1_000_000_000_000))
    .option('--at <time>', 'once, at this time (ISO 8601)')
    .option('--time-zone <zone>', 'in which --cron is read, such as Europe/Berlin (default: UTC)')
    .option('--starts <time>', 'no tick before')
    .option('--ends <time>', 'no tick after')
    .addOption(new Option('--catch-up <policy>', 'which missed ticks are made up for (default: one, the newest)').choices([...CATCH_UP_POLICIES]))
    .option('--jitter <ms>', 'each task runs up to so many ms later than its tick', wholeNumber(0, 1_000_000_000_000))
    .option('--description <text>')
    .option('--paused', 'store it, but make no ticks until it is resumed')
    .option('--replace', 'give the one with this key these settings if it exists')
    .action((key: string, flags: AddFlags) =>
      runWithClient(flags, async (client) => {
        const stored = await client.schedules[flags.replace === true ? 'set' : 'add'](scheduleFrom(key, flags))
        show(flags, stored, () => `Schedule ${stored.key} (${stored.id}) is ${stored.status}${stored.nextRunAt === null ? '' : `; its next tick is ${stored.nextRunAt}`}.`)
      }),
    )

  for (const [name, description] of [
    ['pause', 'Make no ticks until it is resumed'],
    ['resume', 'Go on with the next tick from now'],
  ] as const) {
    withClientFlags(schedules.command(name))
      .description(description)
      .argument('<schedule>', 'id or key')
      .action((schedule: string, flags: ClientFlags) =>
        runWithClient(flags, async (client) => {
          const changed = await client.schedules[name](schedule)
          show(flags, changed, () => `Schedule ${changed.key} is ${changed.status}${changed.nextRunAt === null ? '' : `; its next tick is ${changed.nextRunAt}`}.`)
        }),
      )
  }

  withClientFlags(schedules.command('trigger'))
    .description('Make a task of a schedule now, besides its ticks')
    .argument('<schedule>', 'id or key')
    .option('--operation-id <id>', 'said again, it makes no second task')
    .action((schedule: string, flags: ClientFlags & { operationId?: string }) =>
      runWithClient(flags, async (client) => {
        const enqueued = await client.schedules.trigger(schedule, flags.operationId === undefined ? {} : { operationId: flags.operationId })
        show(flags, enqueued, () => (enqueued.isNew ? `Task ${enqueued.id} is ${enqueued.status}.` : `Task ${enqueued.id} was made by this operation; it is ${enqueued.status}.`))
      }),
    )

  withClientFlags(schedules.command('remove'))
    .description('Remove a schedule; tasks that it made stay')
    .argument('<schedule>', 'id or key')
    .option('--yes', 'do not ask')
    .action((schedule: string, flags: ClientFlags & { yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Remove schedule ${schedule}?`)
        const removed = await client.schedules.remove(schedule)
        show(flags, removed, () => (removed.deleted ? `Schedule ${schedule} is removed.` : `There is no schedule ${schedule}.`))
      }),
    )

  withClientFlags(schedules.command('next'))
    .description('List the next ticks of a schedule')
    .argument('<schedule>', 'id or key')
    .option('--count <n>', 'so many (default: 5)', wholeNumber(1, 1000))
    .action((schedule: string, flags: ClientFlags & { count?: number }) =>
      runWithClient(flags, async (client) => {
        const next = await client.schedules.next(schedule, flags.count ?? 5)
        show(flags, next, () => (next.items.length === 0 ? 'No tick is left.' : next.items.join('\n')))
      }),
    )
}

function when({ cron, everyMs, at, timeZone }: ScheduleJson): string {
  if (cron !== null) return `${cron} (${timeZone})`
  return everyMs === null ? `once at ${at}` : `every ${everyMs} ms`
}

function scheduleFrom(key: string, flags: AddFlags): NewSchedule {
  const { type, payload, cron, every, at, timeZone, starts, ends, catchUp, jitter, description, paused } = flags
  return {
    key,
    task: { type, ...(payload === undefined ? {} : { payload: parsed(payload) }) },
    ...(cron === undefined ? {} : { cron }),
    ...(every === undefined ? {} : { everyMs: every }),
    ...(at === undefined ? {} : { at }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(starts === undefined ? {} : { startsAt: starts }),
    ...(ends === undefined ? {} : { endsAt: ends }),
    ...(catchUp === undefined ? {} : { catchUp }),
    ...(jitter === undefined ? {} : { jitterMs: jitter }),
    ...(description === undefined ? {} : { description }),
    ...(paused === true ? { enabled: false } : {}),
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `--payload: is not JSON: ${(cause as Error).message}. Text needs quotes: --payload '"hello"'.`, { cause, details: { option: 'payload' } })
  }
}
