/**
 * A process that works on tasks, for the chaos tests. Its argument is JSON: { options, type, holdMs, work, blockUntil, stopAt }. It prints `ready`, then `ran <payload> <attempt>`
 * when a handler ends. It is killed or frozen, not asked to stop.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '@cairn/core'

const { options, type, holdMs, work, blockUntil, stopAt } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open({ ...options, migrate: 'check' })
let blocked = false
let begun = 0
let worker: Awaited<ReturnType<typeof cairn.tasks.work>> | undefined
worker = await cairn.tasks.work<{ n: number }>(
  type,
  async ({ payload, attempt }) => {
    process.stdout.write(`began ${payload.n}\n`)
    if (++begun === stopAt) process.kill(process.pid, 'SIGSTOP')
    if (blockUntil !== undefined && !blocked) {
      blocked = true
      // The line above must be seen before the loop stops.
      await sleep(50)
      const pause = new Int32Array(new SharedArrayBuffer(4))
      while (!existsSync(blockUntil)) Atomics.wait(pause, 0, 0, 10)
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
