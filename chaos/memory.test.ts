import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { cairnTargets } from '../packages/core/test/harness/cairns.ts'
import { NODE_FLAGS } from '../packages/core/test/harness/node-flags.ts'

const PROGRAM = fileURLToPath(new URL('./many-keys.ts', import.meta.url))
/** A million by CAIRN_CHAOS_KEYS=1000000. */
const KEYS = Number(process.env['CAIRN_CHAOS_KEYS'] ?? 20_000)
/** The cache may have 64 MiB of values; the rest is the program itself, what is under way, and what the collector leaves lying. */
const MOST_GROWTH_MIB = 200

describe.each(cairnTargets)('memory ($name)', (target) => {
  it(`stays bounded while ${KEYS.toLocaleString('en')} keys are written and read`, { timeout: 60_000 + KEYS }, async () => {
    const place = await target.place()
    try {
      const child = spawn(process.execPath, [...NODE_FLAGS, '--expose-gc', PROGRAM, JSON.stringify({ options: place.options, keys: KEYS })], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(child, 'exit')
      const heaps: number[] = []
      const resident: number[] = []
      let line = ''
      for await (line of createInterface({ input: child.stdout })) {
        const [kind, , rss, heap] = line.split(' ')
        if (kind !== 'M') continue
        heaps.push(Number(heap))
        resident.push(Number(rss))
      }
      await exited
      console.log(`${target.name}: ${KEYS.toLocaleString('en')} keys written and read; MiB of heap after each tenth ${heaps.join(' ')}; resident ${resident.join(' ')}`)
      expect(line).toBe(`done ${KEYS}`)
      const [first = 0] = heaps
      expect(Math.max(...heaps) - first).toBeLessThan(MOST_GROWTH_MIB)
      // The second half of the writes takes no more than the first.
      expect((heaps[9] ?? 0) - (heaps[4] ?? 0)).toBeLessThan(MOST_GROWTH_MIB / 2)
    } finally {
      await place.dispose()
    }
  })
})
