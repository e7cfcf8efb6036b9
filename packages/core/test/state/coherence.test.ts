import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import { cairnTargets } from '../harness/cairns.ts'
import { NODE_FLAGS } from '../harness/node-flags.ts'

const SCRIPT = fileURLToPath(new URL('coherence-process.ts', import.meta.url))
const WRITES = 150

function start(argument: object): { lines: string[]; ready: Promise<void>; ended: Promise<number> } {
  const child = spawn(process.execPath, [...NODE_FLAGS, SCRIPT, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const ended = once(child, 'close').then(([code]) => code as number)
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => (line === 'ready' ? resolve() : lines.push(line)))
    void ended.then((code) => reject(new Error(`it ended with ${code} before it was ready`)))
  })
  return { lines, ready, ended }
}

/** n → when it was told. */
function times(lines: readonly string[], what: string): Map<number, number> {
  return new Map(lines.map((line) => line.split(' ')).filter(([kind]) => kind === what).map(([, n, at]) => [Number(n), Number(at)]))
}

it('a write in one process is seen in another, through its memory, within milliseconds', { timeout: 90_000 }, async () => {
  const place = await (cairnTargets[1] as (typeof cairnTargets)[number]).place()
  try {
    const cairn = await open(place.options)
    const { id: agentId } = await cairn.agents.register({ name: 'a', type: 'analyst' })
    await cairn.close()
    const reader = start({ options: place.options, agentId, role: 'reader', writes: WRITES })
    await reader.ready
    const writer = start({ options: place.options, agentId, role: 'writer', writes: WRITES })
    await writer.ready
    expect(await Promise.all([writer.ended, reader.ended])).toEqual([0, 0])
    for (const what of ['state', 'cache']) {
      const written = times(writer.lines, what)
      const seen = [...times(reader.lines, what)]
      // A number that was skipped was overtaken: the next one seen counts for it.
      const delays = [...written].map(([n, at]) => Math.max(0, Math.min(...seen.filter(([m]) => m >= n).map(([, when]) => when)) - at)).sort((a, b) => a - b)
      const at = (fraction: number): number => delays[Math.floor(fraction * (delays.length - 1))] as number
      process.stdout.write(`coherence of ${what}: ${delays.length} writes, seen after p50 ${at(0.5).toFixed(2)} ms, p95 ${at(0.95).toFixed(2)} ms, worst ${at(1).toFixed(2)} ms\n`)
      expect(delays).toHaveLength(WRITES)
      // The promise is 50 ms at p95; this bound only tells that it is not polling or a time to live that ends the old value.
      expect(at(0.5)).toBeLessThan(1_000)
    }
    const [, hits, misses] = (reader.lines.find((line) => line.startsWith('memory')) ?? '').split(' ').map(Number)
    expect(hits).toBeGreaterThan(10 * (misses ?? 0))
  } finally {
    await place.dispose()
  }
})
