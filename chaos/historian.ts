/**
 * A program that reads and compare-and-sets keys that other processes work on too, and tells each step on a line before
 * and after it: `R key start end revision value`, `I op key value previous expected start`, `O op outcome revision end`.
 * Its argument is JSON: { options, agents, process, life, workers }. It is killed, not asked to stop.
 */
import { isCairnError, open } from '@cairn/core'

const { options, agents, life, workers } = JSON.parse(process.argv[2] ?? '{}') as { options: object; agents: string[]; life: string; workers: number }
const cairn = await open(options)
process.stdout.write('ready\n')
let made = 0

async function read(key: number): Promise<{ revision: number; value: string }> {
  const start = process.hrtime.bigint()
  const entry = await cairn.state.get<{ id: string }>(agents[key] as string, 'register')
  const found = { revision: entry?.revision ?? 0, value: entry?.value.id ?? '-' }
  process.stdout.write(`R ${key} ${start} ${process.hrtime.bigint()} ${found.revision} ${found.value}\n`)
  return found
}

async function compareAndSet(key: number): Promise<void> {
  const { revision, value } = await read(key)
  const op = ++made
  const id = `${life}.${op}`
  process.stdout.write(`I ${op} ${key} ${id} ${value} ${revision} ${process.hrtime.bigint()}\n`)
  try {
    const written = await cairn.state.set(agents[key] as string, 'register', { id }, { ifRevision: revision, ack: op % 4 === 0 ? 'durable' : 'hot' })
    process.stdout.write(`O ${op} acknowledged ${written.revision} ${process.hrtime.bigint()}\n`)
  } catch (error) {
    const refused = isCairnError(error, 'VERSION_CONFLICT') || isCairnError(error, 'HOT_TIER_UNAVAILABLE')
    process.stdout.write(`O ${op} ${refused ? 'refused' : 'unknown'} 0 ${process.hrtime.bigint()}\n`)
  }
}

async function work(): Promise<never> {
  for (;;) {
    // One in five goes to a few keys that everybody wants.
    const key = Math.random() < 0.2 ? Math.floor(Math.random() * 5) : Math.floor(Math.random() * agents.length)
    await (Math.random() < 0.5 ? read(key) : compareAndSet(key))
  }
}

await Promise.all(Array.from({ length: workers }, work))
