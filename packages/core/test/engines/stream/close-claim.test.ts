import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlStreams } from '../../../src/engines/stream/index.ts'
import { cairnTargets, openCairn } from '../../harness/cairns.ts'
import type { Cairn } from '../../../src/index.ts'

describe.each(cairnTargets)('a consumer that is closed while it claims ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(() => dispose())

  it('gives back what it took, so that the next one has it at once', async () => {
    const engine = openSqlStreams({ sql: cairn.engines.sql, identity: cairn.identity, trim: false })
    try {
      await engine.ensureStream({ name: 'CLOSED', subjects: ['closed.>'] })
      for (let round = 0; round < 20; round++) {
        const first = await engine.consumer('CLOSED', { name: 'c', filter: 'closed.x', ackWaitMs: 3_600_000 })
        await engine.publish('closed.x', round)
        const taken = first.fetch(10, 0)
        await first.close()
        expect(await taken).toEqual([])
        const next = await engine.consumer('CLOSED', { name: 'c', filter: 'closed.x', ackWaitMs: 3_600_000 })
        const found = await next.fetch(10, 20_000)
        expect(found.map(({ payload }) => payload)).toEqual([round])
        for (const each of found) await each.ack()
        await next.close()
      }
    } finally {
      await engine.close()
    }
  }, 60_000)
})
