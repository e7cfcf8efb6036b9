/**
 * A program that writes and reads many keys of state and says what memory it takes: lines `M <keys> <rss MiB> <heap MiB>`
 * after each tenth, then `done <keys read back right>`. Its argument is JSON: { options, keys }. Run with --expose-gc.
 */
import { open } from '@cairn/core'

const { options, keys } = JSON.parse(process.argv[2] ?? '{}') as { options: object; keys: number }
const AT_ONCE = 512
const KEYS_AN_AGENT = 10_000
const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024)
const value = (n: number): object => ({ n, text: `value number ${n}`.padEnd(120, '.') })

const cairn = await open(options)
const agents: string[] = []
for (let n = 0; n < keys; n += KEYS_AN_AGENT) agents.push((await cairn.agents.register({ name: `owner ${n}`, type: 'analyst' })).id)

async function each(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let n = next++; n < count; n = next++) {
        await work(n)
        if ((n + 1) % (keys / 10) === 0) {
          globalThis.gc?.()
          const { rss, heapUsed } = process.memoryUsage()
          process.stdout.write(`M ${n + 1} ${mebibytes(rss)} ${mebibytes(heapUsed)}\n`)
        }
      }
    }),
  )
}

await each(keys, async (n) => {
  await cairn.state.set(agents[Math.floor(n / KEYS_AN_AGENT)] as string, `key-${n}`, value(n))
})
await cairn.state.flush()
let right = 0
await each(keys, async (n) => {
  const entry = await cairn.state.get<{ n: number }>(agents[Math.floor(n / KEYS_AN_AGENT)] as string, `key-${n}`)
  if (entry?.value.n === n) right++
})
await cairn.close()
process.stdout.write(`done ${right}\n`)
process.exit(0)
