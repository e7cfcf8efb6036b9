/**
 * A process that works on tasks, for the chaos tests. Its argument is JSON: { options, type, holdMs, work, blockMs }. It prints `ready`, then `ran <payload> <attempt>`
 * when a handler ends. It is killed or frozen, not asked to stop.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '@cairn/core'

const { options, type, holdMs, work, blockMs = 0 } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open({ ...options, migrate: 'check' })
let blocked = false
let worker: Awaited<ReturnType<typeof cairn.tasks.work>> | undefined
worker = await cairn.tasks.work<{ n: number }>(
  type,
  async ({ payload, attempt }) => {
    process.stdout.write(`began ${payload.n}\n`)
    if (blockMs > 0 && !blocked) {
      blocked = true
      // The line above must be seen before the loop stops.
      await sleep(50)
      for (const end = performance.now() + blockMs; performance.now() < end; );
    }
    if (holdMs > 0) await sleep(holdMs)
    process.stdout.write(`ran ${payload.n} ${attempt}\n`)
    return { n: payload.n }
  },
  work,
)
process.stdout.write('ready\n')
let refused = 0
setInterval(() => {
  const now = worker?.stats().refused ?? 0
  if (now !== refused) process.stdout.write(`refused ${(refused = now)}\n`)
}, 20)
