import { describe, expect, test, vi } from 'vitest'
import { A, type ConformanceContext } from './context.ts'

/** Long enough that only a failure waits for it. */
const WAIT = { timeout: 15_000 }

/** Notifications. */
export function listenConformance(context: ConformanceContext): void {
  describe('listen', () => {
    const notify = (channel: string, payload: string) => context.engine.query(A, 'SELECT pg_notify($1, $2)', [channel, payload])

    test('delivers what is notified, in order, to every listener, until it is ended', async () => {
      const [first, second]: [string[], string[]] = [[], []]
      const end = await context.engine.listen('news', (payload) => first.push(payload))
      const endSecond = await context.engine.listen('news', (payload) => second.push(payload))
      await notify('other', 'no')
      for (const payload of ['1', 'é "\'', '']) await notify('news', payload)
      await vi.waitFor(() => expect([first, second]).toEqual([['1', 'é "\'', ''], ['1', 'é "\'', '']]), WAIT)
      await end()
      await notify('news', '4')
      await vi.waitFor(() => expect(second).toHaveLength(4), WAIT)
      expect(first).toHaveLength(3)
      await endSecond()
    })

    test('a rolled back notification is not delivered, a committed one is', async () => {
      const got: string[] = []
      const end = await context.engine.listen('Commit "x"', (payload) => got.push(payload))
      const rolledBack = context.engine.transaction(A, async (session) => {
        await session.query(`SELECT pg_notify('Commit "x"', 'never')`)
        throw new Error('no')
      })
      await expect(rolledBack).rejects.toThrow('no')
      await context.engine.transaction(A, (session) => session.query(`SELECT pg_notify('Commit "x"', 'yes')`))
      await vi.waitFor(() => expect(got).toEqual(['yes']), WAIT)
      await end()
    })

    test('a listener that throws disturbs nobody', async () => {
      const got: string[] = []
      const ends = [
        await context.engine.listen('throwing', () => {
          throw new Error('listener')
        }),
        await context.engine.listen('throwing', (payload) => got.push(payload)),
      ]
      await notify('throwing', 'x')
      await vi.waitFor(() => expect(got).toEqual(['x']), WAIT)
      for (const end of ends) await end()
    })

    test('hears what others begin and end to hear on the same channel at the same moment', async () => {
      const got: string[] = []
      const hear = (name: string) => context.engine.listen('busy', (payload) => got.push(`${name} ${payload}`))
      const both = await Promise.all([hear('a'), hear('b')])
      await notify('busy', '1')
      await vi.waitFor(() => expect(got).toEqual(['a 1', 'b 1']), WAIT)
      const [, c] = await Promise.all([Promise.all(both.map((end) => end())), hear('c')])
      await notify('busy', '2')
      await vi.waitFor(() => expect(got).toEqual(['a 1', 'b 1', 'c 2']), WAIT)
      const [d] = await Promise.all([hear('d'), c()])
      await notify('busy', '3')
      await vi.waitFor(() => expect(got).toEqual(['a 1', 'b 1', 'c 2', 'd 3']), WAIT)
      await d()
    })

    test('goes on after every connection was lost', async () => {
      const got: string[] = []
      const end = await context.engine.listen('again', (payload) => got.push(payload))
      await context.sever()
      await vi.waitFor(
        async () => {
          await notify('again', 'back')
          expect(got).toContain('back')
        },
        { timeout: 15_000, interval: 100 },
      )
      await end()
    })
  })
}
