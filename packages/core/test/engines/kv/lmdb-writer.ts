/** Run as a process of its own by lmdb.test.ts, to be killed. Prints one line for each acknowledged write. */
import { writeSync } from 'node:fs'
import { openLmdb } from '../../../src/engines/kv/lmdb/index.ts'

const [path = '', mode = 'hold', round = '0'] = process.argv.slice(2)
const engine = await openLmdb({ path })
const bucket = await engine.bucket('load')

if (mode === 'hold') {
  await bucket.put(['acme', 'held'], 'held')
  print('held')
  setInterval(() => {}, 1000)
} else if (mode === 'fill') {
  const revisions: Record<string, number> = {}
  const codes = new Set<string>()
  for (let round = 0; round < 60; round++) {
    const store = async (text: string): Promise<void> => {
      try {
        revisions[text] = await bucket.put(['acme', text], 'x'.repeat(3000))
      } catch (error) {
        codes.add((error as { code: string }).code)
      }
    }
    await Promise.all(Array.from({ length: 50 }, (_, i) => store(`r${round}k${i}`)))
  }
  await engine.close()
  print(JSON.stringify({ revisions, codes: [...codes], closed: !engine.connected }))
} else {
  await Promise.all(
    Array.from({ length: 64 }, async (_, writer) => {
      for (let i = 0; ; i++) {
        const key = `w${writer}k${i % 20}`
        const count = Number(round) * 1_000_000 + i
        const revision = await bucket.put(['acme', key], `${count} ${'x'.repeat(200)}`)
        print(`${key} ${count} ${revision}`)
        if (i % 500 === 499) await bucket.acknowledgeChanges(0)
      }
    }),
  )
}

function print(line: string): void {
  try {
    writeSync(1, `${line}\n`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    // A full pipe: a line that is not printed only means one write less to check.
  }
}
