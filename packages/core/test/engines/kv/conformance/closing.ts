import { expect, test } from 'vitest'
import { codeOf, collect, key, type KvSuite } from './suite.ts'

export function closingSpec(suite: KvSuite): void {
  test('a ping is answered and the engine says that it is connected', async () => {
    expect(await suite.target.engine.ping()).toBeGreaterThanOrEqual(0)
    expect(suite.target.engine.connected).toBe(true)
    suite.target.engine.onConnection(() => {})()
  })

  test('closing waits for writes under way, is safe twice, and then everything is CLOSED', async () => {
    const bucket = await suite.target.engine.bucket('closing')
    const { engine } = suite.target
    const writes = Array.from({ length: 100 }, (_, i) => bucket.put(key(`k${i}`), 'x'))
    await Promise.all([engine.close(), engine.close()])
    await engine.close()
    const settled = await Promise.allSettled(writes)
    expect(settled.filter((write) => write.status === 'rejected')).toEqual([])
    expect(engine.connected).toBe(false)
    expect(await codeOf(bucket.get(key('k1')))).toBe('CLOSED')
    expect(await codeOf(bucket.put(key('k1'), 'y'))).toBe('CLOSED')
    expect(await codeOf(bucket.delete(key('k1')))).toBe('CLOSED')
    expect(await codeOf(bucket.purge(key('k1'), 1))).toBe('CLOSED')
    expect(await codeOf(collect(bucket.list([])))).toBe('CLOSED')
    expect(await codeOf(bucket.changes(0, 1))).toBe('CLOSED')
    expect(await codeOf(bucket.acknowledgeChanges(1))).toBe('CLOSED')
    expect(await codeOf(bucket.status())).toBe('CLOSED')
    expect(await codeOf(bucket.watch({ onChange() {}, onGap() {} }))).toBe('CLOSED')
    expect(await codeOf(engine.bucket('closing'))).toBe('CLOSED')
    expect(await codeOf(engine.ping())).toBe('CLOSED')
    const reopened = await (await suite.target.reopen()).bucket('closing')
    expect(await collect(reopened.list(['acme']))).toHaveLength(100)
  })
}
