import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StreamEngine, openSqlStreams, publishInTransaction } from '../../../src/engines/stream/index.ts'
import { MAINTENANCE, type TenantIdentity } from '../../../src/identity/index.ts'
import { type SqlTestDatabase, sqlTargets } from '../../harness/engines.ts'
import { type StreamTarget, codeOf, streamConformance, take } from './stream-conformance.ts'

const ACME: TenantIdentity = { role: 'application', tenant: 'acme', actor: { kind: 'service', id: 'test' } }
const GLOBEX: TenantIdentity = { ...ACME, tenant: 'globex' }

describe.each(sqlTargets)('streams in SQL ($name)', (sqlTarget) => {
  let database: SqlTestDatabase
  beforeAll(async () => {
    database = await sqlTarget.open()
  })
  afterAll(() => database?.dispose())

  streamConformance(sqlTarget.name, async () => {
    const open = async (): Promise<StreamEngine> => openSqlStreams({ sql: database.engine, identity: ACME })
    const target: StreamTarget = {
      engine: await open(),
      async reopen() {
        await target.engine.close()
        target.engine = await open()
        return target.engine
      },
      another: open,
      dispose: () => target.engine.close(),
    }
    return target
  })

  describe('the outbox', () => {
    let streams: StreamEngine

    beforeAll(async () => {
      streams = openSqlStreams({ sql: database.engine, identity: ACME })
      await streams.ensureStream({ name: 'log', subjects: ['log.>'] })
    })
    afterAll(() => streams?.close())

    it('publishes with the transaction of the caller, or not at all', async () => {
      const consumer = await streams.consumer('log', { name: 'tx', filter: 'log.tx.>' })
      const failed = database.engine.transaction(ACME, async (session) => {
        await publishInTransaction(session, ACME, 'log.tx.a', 'rolled back', { id: 'same' })
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      await database.engine.transaction(ACME, async (session) => {
        const sequence = await publishInTransaction(session, ACME, 'log.tx.a', 'committed', { id: 'same' })
        expect(await publishInTransaction(session, ACME, 'log.tx.a', 'again', { id: 'same' })).toBe(sequence)
        expect(await codeOf(publishInTransaction(session, ACME, 'a b', 1))).toBe('INVALID_ARGUMENT')
        expect(await codeOf(publishInTransaction(session, ACME, 'nobody.listens', 1))).toBe('NOT_FOUND')
      })
      expect((await take(consumer, 1)).map(({ payload }) => payload)).toEqual(['committed'])
      expect(await consumer.fetch(1, 100)).toEqual([])
    })

    it('shows a tenant its own messages only, and the consumer those of all; ids are per tenant', async () => {
      const globex = openSqlStreams({ sql: database.engine, identity: GLOBEX })
      await streams.publish('log.t.acme', 1, { id: 'shared' })
      await globex.publish('log.t.globex', 2, { id: 'shared' })
      const seen = async (identity: TenantIdentity) => (await database.engine.query(identity, `SELECT DISTINCT tenant_id FROM tx.outbox`)).rows
      expect([await seen(ACME), await seen(GLOBEX)]).toEqual([[{ tenant_id: 'acme' }], [{ tenant_id: 'globex' }]])
      expect((await take(await streams.consumer('log', { name: 't', filter: 'log.t.*' }), 2)).map(({ payload }) => payload)).toEqual([1, 2])
      for (const table of ['tx.consumers', 'tx.deliveries']) expect(await codeOf(database.engine.query(ACME, `SELECT * FROM ${table}`)), table).toBe('PERMISSION_DENIED')
      expect(await codeOf(database.engine.query(ACME, `UPDATE tx.streams SET name = 'x'`))).toBe('PERMISSION_DENIED')
      const wrong = database.engine.transaction(GLOBEX, (session) => publishInTransaction(session, ACME, 'log.t.acme', 3))
      expect(await codeOf(wrong)).toBe('PERMISSION_DENIED')
      await globex.close()
    })

    it('keeps dead letters with the tenant of the message', async () => {
      const consumer = await streams.consumer('log', { name: 'dead', filter: 'log.dead.*', maxDeliver: 1 })
      await streams.publish('log.dead.a', 1)
      await take(consumer, 1, (delivery) => delivery.retry())
      const seen = async (identity: TenantIdentity) => (await database.engine.query(identity, `SELECT tenant_id, subject FROM tx.dead_letters WHERE stream = 'log'`)).rows
      expect([await seen(ACME), await seen(GLOBEX)]).toEqual([[{ tenant_id: 'acme', subject: 'log.dead.a' }], []])
    })

    it('leaves nothing of acknowledged messages but the place', async () => {
      const consumer = await streams.consumer('log', { name: 'clean', filter: 'log.clean.*' })
      for (let n = 0; n < 20; n++) await streams.publish('log.clean.a', n)
      await take(consumer, 20)
      expect((await database.engine.query(MAINTENANCE, `SELECT FROM tx.deliveries WHERE consumer = 'clean'`)).rowCount).toBe(0)
    })
  })
})

// PGlite runs one transaction after the other, so none can commit out of order there.
describe.each(sqlTargets.filter(({ name }) => name === 'postgres'))('transactions that commit out of order ($name)', (sqlTarget) => {
  let database: SqlTestDatabase
  let streams: StreamEngine

  beforeAll(async () => {
    database = await sqlTarget.open()
    streams = openSqlStreams({ sql: database.engine, identity: ACME })
    await streams.ensureStream({ name: 'log', subjects: ['log.>'] })
  })
  afterAll(async () => {
    await streams?.close()
    await database?.dispose()
  })

  it('never passes over a transaction that took a lower id and commits later', async () => {
    const consumer = await streams.consumer('log', { name: 'late', filter: 'log.late.*' })
    const fromNew = await (async () => {
      let commit = (): void => undefined
      const mayCommit = new Promise<void>((resolve) => {
        commit = resolve
      })
      let begun = (): void => undefined
      const hasBegun = new Promise<void>((resolve) => {
        begun = resolve
      })
      const late = database.engine.transaction(ACME, async (session) => {
        await publishInTransaction(session, ACME, 'log.late.a', 'late')
        begun()
        await mayCommit
      })
      await hasBegun
      await streams.publish('log.late.a', 'early')
      // What is committed after the beginning of a consumer is new to it, whatever its id.
      const consumerOfNew = await streams.consumer('log', { name: 'late-new', filter: 'log.late.*', from: 'new' })
      expect((await consumer.fetch(10, 100)).length).toBeLessThan(2)
      commit()
      await late
      return consumerOfNew
    })()
    expect((await take(consumer, 2)).map(({ payload }) => payload).sort()).toEqual(['early', 'late'])
    expect((await take(fromNew, 1)).map(({ payload }) => payload)).toEqual(['late'])
  })

  it('loses none of many transactions that commit out of order', async () => {
    const consumer = await streams.consumer('log', { name: 'storm', filter: 'log.storm.*' })
    const publishers = Array.from({ length: 8 }, async (_, publisher) => {
      for (let n = 0; n < 25; n++) {
        await database.engine.transaction(ACME, async (session) => {
          await publishInTransaction(session, ACME, 'log.storm.a', `${publisher}-${n}`)
          await session.query('SELECT pg_sleep(random() * 0.02)')
        })
      }
    })
    const [got] = await Promise.all([take(consumer, 200), ...publishers])
    expect(new Set(got.map(({ payload }) => payload)).size).toBe(200)
    expect(got).toHaveLength(200)
  })
})
