/**
 * A program of many independent callers of one service. Its argument is JSON: { options, service, callers }. A caller
 * repeats a call until stdin says `end`; each call that really reaches the service is a line `C start end outcome when`
 * (nanoseconds of the machine's monotonic clock; `later` when the caller was refused before, so that the breaker was open by then).
 * The service fails while stdin has not said `heal`.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCairnError, open } from '@cairn/core'

const { options, service, callers } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open(options)
let healthy = false
let ended = false
createInterface({ input: process.stdin }).on('line', (line) => {
  healthy ||= line === 'heal'
  ended ||= line === 'end'
})
process.stdout.write('ready\n')

async function caller(): Promise<void> {
  // Each has a memory of its own, as a process would.
  const own = cairn.as({})
  let refused = false
  while (!ended) {
    try {
      await own.resilience.call(service, async () => {
        const start = process.hrtime.bigint()
        await sleep(20)
        process.stdout.write(`C ${start} ${process.hrtime.bigint()} ${healthy ? 'ok' : 'failed'} ${refused ? 'later' : 'first'}\n`)
        if (!healthy) throw new Error('the service is down')
      })
    } catch (error) {
      refused ||= isCairnError(error, 'CIRCUIT_OPEN')
      if (!isCairnError(error, 'CIRCUIT_OPEN') && !(error instanceof Error && error.message === 'the service is down')) process.stdout.write(`E ${String(error)}\n`)
    }
    await sleep(5)
  }
}

await Promise.all(Array.from({ length: callers }, caller))
await cairn.close()
process.stdout.write('ended\n')
process.exit(0)
