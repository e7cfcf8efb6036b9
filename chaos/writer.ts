/**
 * A program that writes state without pause and says what was acknowledged, one line each: `A <worker> <n> <ack>`.
 * Worker w owns the key `worker-<w>` and counts n up; odd workers ask for durable writes. Its argument is JSON:
 * { options, agentId, workers, from }. It is killed, not asked to stop.
 */
import { isCairnError, open } from '@cairn/core'

const { options, agentId, workers, from } = JSON.parse(process.argv[2] ?? '{}')
const cairn = await open(options)
process.stdout.write('ready\n')

async function work(worker: number): Promise<never> {
  const ack = worker % 2 === 1 ? 'durable' : 'hot'
  for (let n: number = from; ; n++) {
    try {
      await cairn.state.set(agentId, `worker-${worker}`, { n, padding: 'x'.repeat(100) }, { ack })
      process.stdout.write(`A ${worker} ${n} ${ack}\n`)
    } catch (error) {
      process.stdout.write(`E ${isCairnError(error) ? error.code : String(error)}\n`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
