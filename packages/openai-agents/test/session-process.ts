import { open, type CairnOptions } from '@cairn/core'
import type { SessionHistoryTransactionArgs } from '@openai/agents-core'
import { CairnSession } from '../src/index.ts'
import { converse, type Turn } from './conversation.ts'
import { user } from './sessions.ts'

type SessionHistoryTransaction = SessionHistoryTransactionArgs['transaction']

interface Task {
  readonly options: CairnOptions
  readonly sessionId: string
  /** Runs these; a slow tool says so and never ends: the process waits to be killed. */
  readonly turns?: readonly Turn[]
  /** Or applies this many transactions one after the other, from the first on, and names each that is acknowledged. */
  readonly transactions?: number
  /** Or adds this many items a writer, from several writers at once. */
  readonly writers?: { readonly name: string; readonly count: number; readonly items: number }
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const cairn = await open(task.options)
const session = new CairnSession(cairn, { sessionId: task.sessionId })
if (task.turns !== undefined) {
  await converse(session, task.turns, {
    slow: () => {
      process.stdout.write('in the tool\n')
      // Keeps the process alive without an end of the promise.
      setInterval(() => undefined, 2 ** 30)
      return new Promise<string>(() => undefined)
    },
  })
}
for (let n = 0; n < (task.transactions ?? 0); n++) {
  const transaction: SessionHistoryTransaction =
    n % 3 < 2 ? { type: 'append_items', items: [user(`${n}`)] } : { type: 'replace_suffix', expectedSuffix: [user(`${n - 1}`)], replacement: [user(`${n - 1}+${n}`)] }
  await session.applyHistoryTransaction({ operationId: `operation ${n}`, transaction })
  process.stdout.write(`${n}\n`)
}
if (task.writers !== undefined) {
  const { name, count, items } = task.writers
  process.stdout.write('ready\n')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  await Promise.all(
    Array.from({ length: count }, async (_, writer) => {
      for (let n = 0; n < items; n++) await session.addItems([user(`${name}/${writer}/${n}/a`), user(`${name}/${writer}/${n}/b`)])
    }),
  )
}
await cairn.close()
process.exit(0)
