/**
 * One of two processes on the same servers. Its argument is JSON: { options, agentId, role, writes }. The reader keeps key and cached
 * entry in memory and tells when it first sees each number; the writer sets them one after the other and tells when each was
 * acknowledged. Times are milliseconds since 1970 with their fraction.
 */
import { open } from '@cairn/core'

const { options, agentId, role, writes } = JSON.parse(process.argv[2] ?? '{}') as { options: object; agentId: string; role: 'reader' | 'writer'; writes: number }
const cairn = await open(options)
const now = (): number => performance.timeOrigin + performance.now()
const say = (line: string): void => void process.stdout.write(`${line}\n`)

if (role === 'reader') {
  let state = -1
  let cached = -1
  await cairn.state.get(agentId, 'n')
  say('ready')
  while (state < writes - 1 || cached < writes - 1) {
    const n = (await cairn.state.get<number>(agentId, 'n'))?.value ?? -1
    if (n > state) say(`state ${(state = n)} ${now()}`)
    const m = (await cairn.cache.get<number>('n')) ?? -1
    if (m > cached) say(`cache ${(cached = m)} ${now()}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { cacheHits, cacheMisses } = cairn.state.stats()
  say(`memory ${cacheHits} ${cacheMisses}`)
} else {
  say('ready')
  for (let n = 0; n < writes; n++) {
    await cairn.state.set(agentId, 'n', n)
    say(`state ${n} ${now()}`)
    await cairn.cache.set('n', n)
    say(`cache ${n} ${now()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
await cairn.close()
