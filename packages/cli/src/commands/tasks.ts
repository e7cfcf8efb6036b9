import type { NewTask, TaskFilter } from '@cairn/core'
import { CairnError } from '@cairn/core'
import type { Command } from 'commander'
import type { CairnClient } from '../client/cairn-client.ts'
import { runWithClient } from '../client/open-client.ts'
import { confirmed } from '../confirm.ts'
import { type ClientFlags, wholeNumber, withClientFlags } from '../engine-flags.ts'
import { oneLine, record, show, table } from '../output.ts'
import { type PageFlags, moreLine, pageFrom, withPageFlags } from './page-flags.ts'

type TaskJson = Awaited<ReturnType<CairnClient['tasks']['get']>>

interface ListFlags extends ClientFlags, PageFlags {
  readonly type?: string
  readonly status?: string[]
  readonly agent?: string
  readonly parent?: string
  readonly tag?: string
}

interface EnqueueFlags extends ClientFlags {
  readonly payload?: string
  readonly key?: string
  readonly priority?: string
  readonly delay?: number
  readonly after?: string[]
  readonly parent?: string
  readonly agent?: string
}

/** Adds `cairn tasks list|show|enqueue|retry|cancel|redrive`. */
export function registerTasksCommands(program: Command): void {
  const tasks = program.command('tasks').description('List, show, enqueue, retry, cancel and redrive tasks')

  withClientFlags(withPageFlags(tasks.command('list')))
    .description('List tasks, finished ones too, newest first')
    .option('--type <type>', 'only of this type')
    .option('--status <status...>', 'only in these statuses: pending, queued, running, paused, completed, failed, cancelled')
    .option('--agent <agent>', 'only of this agent: id or key')
    .option('--parent <task>', 'only children of this task: id or key')
    .option('--tag <tag>', 'only with this tag')
    .action((flags: ListFlags) =>
      runWithClient(flags, async (client) => {
        const page = await client.tasks.list(filterFrom(flags))
        show(flags, page, () => {
          const rows = page.items.map((task) => [task.id, task.type, task.key ?? '', task.status, task.priority, task.attempts, task.createdAt, oneLine(task.errorMessage ?? '', 40)])
          return table(['id', 'type', 'key', 'status', 'priority', 'attempts', 'enqueued', 'error'], rows, 'There are no tasks.') + moreLine(page)
        })
      }),
    )

  withClientFlags(tasks.command('show'))
    .description('Show a task with its attempts')
    .argument('<task>', 'id or key')
    .action((task: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const found = await client.tasks.get(task)
        const executions = (await client.tasks.executions(found.id)).items
        show(flags, { ...found, executions }, () => {
          const rows = executions.map((each) => [each.attempt, each.status, each.startedAt, each.executionMs ?? '', oneLine(each.errorMessage ?? '', 60)])
          return `${describe(found)}\n${table(['attempt', 'status', 'started', 'ms', 'error'], rows, 'It was not run yet.')}`
        })
      }),
    )

  withClientFlags(tasks.command('enqueue'))
    .description('Enqueue a task')
    .argument('<type>', 'what it is; workers ask for types')
    .option('--payload <json>', 'what its handler gets (default: {})')
    .option('--key <key>', 'idempotency key: with one that is in use, shows that task')
    .option('--priority <priority>', 'low, normal, high, urgent or critical (default: normal)')
    .option('--delay <ms>', 'not before so many ms', wholeNumber(0, 1_000_000_000_000))
    .option('--after <task...>', 'not before these tasks are completed: ids or keys')
    .option('--parent <task>', 'id or key of its parent')
    .option('--agent <agent>', 'id or key of the agent whose task it is')
    .action((type: string, flags: EnqueueFlags) =>
      runWithClient(flags, async (client) => {
        const enqueued = await client.tasks.enqueue(taskFrom(type, flags))
        show(flags, enqueued, () => (enqueued.isNew ? `Task ${enqueued.id} is ${enqueued.status}.` : `Task ${enqueued.id} has this key already; it is ${enqueued.status}.`))
      }),
    )

  withClientFlags(tasks.command('retry'))
    .description('Run a failed, cancelled or waiting task now')
    .argument('<task>', 'id or key')
    .action((task: string, flags: ClientFlags) =>
      runWithClient(flags, async (client) => {
        const retried = await client.tasks.retry(task)
        show(flags, retried, () => `Task ${retried.id} is ${retried.status}.`)
      }),
    )

  withClientFlags(tasks.command('cancel'))
    .description('Cancel a task; a running one is aborted by its worker')
    .argument('<task>', 'id or key')
    .option('--reason <text>', 'kept with the task')
    .option('--descendants', 'its children and theirs, too')
    .option('--yes', 'do not ask')
    .action((task: string, flags: ClientFlags & { reason?: string; descendants?: boolean; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        await confirmed(flags, `Cancel task ${task}?`)
        const options = { ...(flags.reason === undefined ? {} : { reason: flags.reason }), ...(flags.descendants === true ? { descendants: true } : {}) }
        const cancelled = await client.tasks.cancel(task, options)
        show(flags, cancelled, () => (cancelled.status === 'running' ? `Task ${cancelled.id} runs; its worker was asked to stop it.` : `Task ${cancelled.id} is ${cancelled.status}.`))
      }),
    )

  withClientFlags(tasks.command('redrive'))
    .description('Run tasks that failed for good again')
    .argument('[tasks...]', 'ids or keys; without them, what the options select, oldest first')
    .option('--type <type>', 'only of this type')
    .option('--reason <reason>', 'only with this reason: error, timeout, expired, worker_lost, invalid_payload, dependency_failed')
    .option('--limit <n>', 'at most so many (default: 100)', wholeNumber(1, 1000))
    .option('--dry-run', 'show them only')
    .option('--yes', 'do not ask')
    .action((names: string[], flags: ClientFlags & { type?: string; reason?: string; limit?: number; dryRun?: boolean; yes?: boolean }) =>
      runWithClient(flags, async (client) => {
        const filter = { ...(flags.type === undefined ? {} : { type: flags.type }), ...(flags.reason === undefined ? {} : { reason: flags.reason }), ...(flags.limit === undefined ? {} : { limit: flags.limit }) }
        if (flags.dryRun === true) {
          const page = await client.tasks.deadLetters(filter)
          const rows = page.items.map((letter) => [letter.taskId, letter.type, letter.reason, letter.attempts, letter.createdAt, oneLine(letter.errorMessage ?? '', 50)])
          show(flags, page, () => table(['task', 'type', 'reason', 'attempts', 'failed', 'error'], rows, 'There are no dead letters.') + moreLine(page))
          return
        }
        await confirmed(flags, names.length > 0 ? `Run ${names.length} tasks again?` : 'Run the dead letters again?')
        const redriven = await client.tasks.redrive(names.length > 0 ? { tasks: names } : filter)
        show(flags, { items: redriven }, () => `${redriven.length} tasks are queued again.`)
      }),
    )
}

function filterFrom(flags: ListFlags): TaskFilter {
  return {
    ...pageFrom(flags),
    ...(flags.type === undefined ? {} : { type: flags.type }),
    // The library knows the words, and says which there are.
    ...(flags.status === undefined ? {} : { status: flags.status as NonNullable<TaskFilter['status']> }),
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
    ...(flags.parent === undefined ? {} : { parent: flags.parent }),
    ...(flags.tag === undefined ? {} : { tag: flags.tag }),
  }
}

function taskFrom(type: string, flags: EnqueueFlags): NewTask {
  return {
    type,
    ...(flags.payload === undefined ? {} : { payload: parsed(flags.payload) }),
    ...(flags.key === undefined ? {} : { key: flags.key }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority as 'normal' }),
    ...(flags.delay === undefined ? {} : { delayMs: flags.delay }),
    ...(flags.after === undefined ? {} : { dependsOn: flags.after }),
    ...(flags.parent === undefined ? {} : { parent: flags.parent }),
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch (cause) {
    throw new CairnError('INVALID_OPTION', `--payload: is not JSON: ${(cause as Error).message}. Text needs quotes: --payload '"hello"'.`, { cause, details: { option: 'payload' } })
  }
}

function describe(task: TaskJson): string {
  const { id, key, type, name, status, priority, payload, result, progress, attempts, retryCount, maxRetries, blockedBy, errorMessage, failureReason, agentId, parentId, createdAt, scheduledAt, startedAt, completedAt } = task
  return record({
    id, key, type, name, status, priority, payload: JSON.stringify(payload), result: result === null ? '' : JSON.stringify(result), progress: JSON.stringify(progress), attempts,
    retries: `${retryCount} of ${maxRetries}`, 'waits for': blockedBy === 0 ? '' : `${blockedBy} tasks`, error: errorMessage, reason: failureReason, agent: agentId, parent: parentId,
    enqueued: createdAt, scheduled: scheduledAt, started: startedAt, ended: completedAt,
  })
}
