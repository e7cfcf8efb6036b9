import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cairn, type CairnError, type CairnTransaction, open } from '../../../src/index.ts'
import { boundarySettings, determineIsolationLevel } from '../../../src/engines/sql/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import type { Logger } from '../../../src/observability/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'
import { cuttingProxy, throughProxy } from '../../harness/cutting-proxy.ts'

const failureOf = (work: Promise<unknown>): Promise<CairnError> => work.then(() => Promise.reject(new Error('it did not fail')), (error: unknown) => error as CairnError)

describe('determineIsolationLevel', () => {
  // proves S4-5.3-06
  test.each([
    [{}, undefined, 'read committed'],
    [{ writes: true }, undefined, 'read committed'],
    [{ sharedState: true }, undefined, 'read committed'],
    [{ crossSystem: true }, undefined, 'read committed'],
    [{ writes: true, sharedState: true }, undefined, 'repeatable read'],
    [{ crossSystem: true, sharedState: true }, undefined, 'serializable'],
    [{ crossSystem: true, sharedState: true, writes: true }, undefined, 'serializable'],
    [{ crossSystem: true, sharedState: true, writes: true }, 'read committed', 'read committed'],
  ] as const)('of %o, chosen %s, is %s', (nature, chosen, expected) => {
    expect(determineIsolationLevel(nature, chosen)).toBe(expected)
  })
})

describe('boundarySettings', () => {
  test('keep times below a second, names within 63 printable bytes, and refuse a time that would mean none', () => {
    expect(boundarySettings({ boundary: 'single-operation', timeoutMs: 0.2 })).toEqual([['statement_timeout', '1']])
    const [, name] = boundarySettings({ boundary: 'agent-task', agentId: `é';DROP ${'x'.repeat(100)}` }).find(([setting]) => setting === 'application_name') ?? []
    expect(name).toMatch(/^agent_\?';DROP x+$/)
    expect(Buffer.byteLength(name ?? '')).toBe(63)
    for (const timeoutMs of [0, -1, Number.NaN, Infinity]) expect(() => boundarySettings({ boundary: 'agent-task', timeoutMs })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
  })
})

describe.each(cairnTargets)('cairn.transaction ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  const lines: { message: string; fields: Record<string, unknown> }[] = []
  const write = (fields: object, message: string): void => void lines.push({ fields: fields as Record<string, unknown>, message })
  const logger: Logger = { debug() {}, info: write, warn: write, error: write }

  beforeAll(async () => {
    opened = await openCairn(target, { logger })
    cairn = opened.cairn
    await cairn.engines.sql.transaction(OWNER, (session) =>
      session.exec(`
        CREATE SCHEMA shop;
        CREATE TABLE shop.stock (tenant_id text NOT NULL DEFAULT security.current_tenant(), item text NOT NULL, n int NOT NULL CHECK (n >= 0), PRIMARY KEY (tenant_id, item));
        SELECT security.protect('shop.stock');
        GRANT USAGE ON SCHEMA shop TO application_user;
        CREATE TABLE shop.slow (n int);
        GRANT ALL ON shop.slow TO application_user;
        CREATE FUNCTION shop.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON shop.slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.dawdle();`),
    )
    await put('bolt', 10)
  })
  afterAll(() => opened.dispose())

  const put = (item: string, n: number, who = cairn) =>
    who.transaction({}, (tx) => tx.query(`INSERT INTO shop.stock (tenant_id, item, n) VALUES ($1, $2, $3)`, [who.identity.tenant, item, n]))
  const stock = async (item: string, who = cairn) => {
    const { rows } = await who.transaction({ readOnly: true }, (tx) => tx.query<{ n: number }>('SELECT n FROM shop.stock WHERE item = $1', [item]))
    return rows[0]?.n
  }

  test('commits what resolves, rolls back what rejects, and returns the value', async () => {
    expect(await cairn.transaction({}, async (tx) => (await tx.query<{ n: number }>(`UPDATE shop.stock SET n = n - 1 WHERE item = 'bolt' RETURNING n`)).rows[0]?.n)).toBe(9)
    const stop = new Error('stop')
    const failed = cairn.transaction({}, async (tx) => {
      await tx.query(`UPDATE shop.stock SET n = 0 WHERE item = 'bolt'`)
      throw stop
    })
    expect(await failureOf(failed)).toBe(stop)
    expect(await stock('bolt')).toBe(9)
  })

  test('is of its tenant: it neither sees nor changes nor makes rows of another', async () => {
    const other = cairn.as({ tenant: 'rival' })
    await put('secret', 5, other)
    expect(await stock('secret')).toBeUndefined()
    expect((await cairn.transaction({}, (tx) => tx.query(`UPDATE shop.stock SET n = 0 WHERE item = 'secret'`))).rowCount).toBe(0)
    expect(await failureOf(cairn.transaction({}, (tx) => tx.query(`INSERT INTO shop.stock (tenant_id, item, n) VALUES ('rival', 'planted', 1)`)))).toMatchObject({ code: 'PERMISSION_DENIED' })
    expect(await stock('secret', other)).toBe(5)
  })

  // proves S4-5.3-01 S4-5.3-03
  test('has the isolation that its nature asks for, or the one that was chosen, and tells its context', async () => {
    const isolation = async (options: Parameters<Cairn['transaction']>[0]) =>
      cairn.transaction(options, async (tx) => [(await tx.query<{ level: string }>(`SELECT current_setting('transaction_isolation') AS level`)).rows[0]?.level, tx.context.isolation])
    expect(await isolation({})).toEqual(['read committed', 'read committed'])
    expect(await isolation({ writes: true, sharedState: true })).toEqual(['repeatable read', 'repeatable read'])
    expect(await isolation({ crossSystem: true, sharedState: true })).toEqual(['serializable', 'serializable'])
    expect(await isolation({ isolation: 'read uncommitted', crossSystem: true, sharedState: true })).toEqual(['read uncommitted', 'read uncommitted'])
    const context = await cairn.transaction({ boundary: 'agent-task', agentId: 'scout', correlationId: 'c-1', timeoutMs: 5_000, attempts: 2 }, async (tx) => tx.context)
    expect(context).toEqual({ boundary: 'agent-task', isolation: 'read committed', timeoutMs: 5_000, retry: { attempts: 2, attempt: 1 }, correlationId: 'c-1', agentId: 'scout', compensations: [] })
    expect(await failureOf(cairn.transaction({ boundary: 'galaxy' as 'agent-task' }, async () => {}))).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'boundary' } })
    expect(await failureOf(cairn.transaction({ isolation: 'snapshot' as 'serializable' }, async () => {}))).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'isolation' } })
  })

  // proves S4-5.3-02 S4-5.3-07
  test('has the settings of its boundary, which end with it', async () => {
    const settings = async (tx: Pick<CairnTransaction, 'query'>) =>
      (await tx.query(`SELECT current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle,
        current_setting('application_name') AS name, current_setting('synchronous_commit') AS sync`)).rows[0]
    const before = await cairn.transaction({}, settings)
    const servers = target.name === 'servers'
    const agent = await cairn.transaction({ boundary: 'agent-task', agentId: "o'hara; --", timeoutMs: 1_500 }, settings)
    expect(agent).toMatchObject({ name: "agent_o'hara; --", ...(servers ? { statement: '1500ms', idle: '1min' } : {}) })
    expect(await cairn.transaction({ boundary: 'cross-system' }, settings)).toMatchObject({ sync: 'on', ...(servers ? { idle: '30s' } : {}) })
    expect(await cairn.transaction({ boundary: 'distributed-saga', correlationId: 'saga-7' }, settings)).toMatchObject({ sync: 'on', ...(servers ? { idle: '2min' } : {}) })
    expect(await cairn.transaction({}, settings)).toEqual(before)
    expect(lines.filter(({ fields }) => fields['correlationId'] === 'saga-7').map(({ message }) => message)).toEqual(['A transaction begins', 'A transaction was committed'])
  })

  // proves S4-5.3-04
  test('is rolled back with VALIDATION_FAILED when the check before the commit refuses it', async () => {
    await put('nut', 1)
    const take = (validate: (tx: CairnTransaction) => Promise<boolean | string | undefined>) =>
      cairn.transaction({ validate }, (tx) => tx.query(`UPDATE shop.stock SET n = n + 100 WHERE item = 'nut'`))
    const tooMany = async (tx: CairnTransaction) => ((await tx.query<{ n: number }>(`SELECT n FROM shop.stock WHERE item = 'nut'`)).rows[0]?.n ?? 0) <= 50
    expect(await failureOf(take(tooMany))).toMatchObject({ code: 'VALIDATION_FAILED' })
    expect(await failureOf(take(async () => 'the shelf is full'))).toMatchObject({ code: 'VALIDATION_FAILED', message: expect.stringContaining('the shelf is full') as string })
    expect(await stock('nut')).toBe(1)
    await take(async () => true)
    await take(async () => undefined)
    expect(await stock('nut')).toBe(201)
  })

  test('runs the whole function again after a serialization failure and a deadlock, three times in all, and not after a broken rule', async () => {
    for (const [state, code] of [['40001', 'SERIALIZATION_FAILURE'], ['40P01', 'DEADLOCK']] as const) {
      const attempts: number[] = []
      const raise = (upTo: number) =>
        cairn.transaction({}, async (tx) => {
          attempts.push(tx.context.retry.attempt)
          await tx.query(`INSERT INTO shop.stock (tenant_id, item, n) VALUES ($1, $2, 1)`, [cairn.identity.tenant, `tried ${state} ${upTo}`])
          if (tx.context.retry.attempt <= upTo) await tx.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${state}'; END $$`)
        })
      await raise(2)
      expect(attempts.splice(0)).toEqual([1, 2, 3])
      expect(await stock(`tried ${state} 2`)).toBe(1)
      expect(await failureOf(raise(3))).toMatchObject({ code, message: expect.stringContaining('Max retry attempts reached (3)') as string, cause: expect.objectContaining({ code }) as Error })
      expect(attempts).toEqual([1, 2, 3])
    }
    let runs = 0
    const negative = cairn.transaction({}, async (tx) => {
      runs += 1
      await tx.query(`UPDATE shop.stock SET n = -1 WHERE item = 'bolt'`)
    })
    expect([(await failureOf(negative)).code, runs]).toEqual(['CONSTRAINT_VIOLATION', 1])
  })

  test('loses no increment of twenty that read and write one row', async () => {
    await put('shared', 0)
    const add = () =>
      cairn.transaction({ writes: true, sharedState: true, attempts: 50 }, async (tx) => {
        const { rows } = await tx.query<{ n: number }>(`SELECT n FROM shop.stock WHERE item = 'shared'`)
        await tx.query(`UPDATE shop.stock SET n = $1 WHERE item = 'shared'`, [(rows[0]?.n ?? 0) + 1])
      })
    await Promise.all(Array.from({ length: 20 }, add))
    expect(await stock('shared')).toBe(20)
  })

  test('undoes what was done outside, newest first, before each rerun and after the last failure; never after a commit', async () => {
    const done: string[] = []
    const run = (fail: boolean) =>
      cairn.transaction({ attempts: 2 }, async (tx) => {
        const { attempt } = tx.context.retry
        for (const step of ['a', 'b']) tx.compensate(step, async () => void done.push(`undo ${step}${attempt}`))
        tx.compensate('broken', () => Promise.reject(new Error('cannot')))
        expect(tx.context.compensations).toEqual(['a', 'b', 'broken'])
        done.push(`do ${attempt}`)
        if (fail || attempt === 1) await tx.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`)
      })
    await run(false)
    expect(done.splice(0)).toEqual(['do 1', 'undo b1', 'undo a1', 'do 2'])
    await failureOf(run(true))
    expect(done).toEqual(['do 1', 'undo b1', 'undo a1', 'do 2', 'undo b2', 'undo a2'])
    expect(lines.filter(({ message }) => message.startsWith('A compensation failed')).length).toBeGreaterThanOrEqual(3)
  })

  test('is OUTCOME_UNKNOWN and not run again when its connection is killed while it commits', async () => {
    let runs = 0
    let pid = 0
    const undone: string[] = []
    const failing = failureOf(
      cairn.transaction({ attempts: 5 }, async (tx) => {
        runs += 1
        tx.compensate('never', async () => void undone.push('ran'))
        await tx.query('INSERT INTO shop.slow VALUES (1)')
        pid = (await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0
      }),
    )
    await until('the function has run', () => pid !== 0)
    const { sql } = cairn.engines
    if (sql.kind === 'pglite') {
      // The next message to the worker is COMMIT, which then sleeps; the thread ends in the middle of it.
      await new Promise((resolve) => setImmediate(resolve))
      await (sql as unknown as { crash(): Promise<void> }).crash()
    } else {
      const committing = async () => (await sql.query<{ n: number }>(OWNER, `SELECT count(*) AS n FROM pg_stat_activity WHERE pid = $1 AND query = 'COMMIT' AND state = 'active'`, [pid])).rows[0]?.n === 1
      await until('it commits', committing)
      await sql.query(OWNER, 'SELECT pg_terminate_backend($1)', [pid])
    }
    const failure = await failing
    expect(failure.code).toBe('OUTCOME_UNKNOWN')
    expect([runs, undone]).toEqual([1, []])
    expect(await stock('bolt')).toBe(9)
  })

  test('runs again on another connection when its own is killed before COMMIT', async () => {
    const { sql } = cairn.engines
    const kill = (pid: number | undefined) => (sql.kind === 'pglite' ? (sql as unknown as { crash(): Promise<void> }).crash() : sql.query(OWNER, 'SELECT pg_terminate_backend($1)', [pid]))
    let runs = 0
    await cairn.transaction({}, async (tx) => {
      runs += 1
      await tx.query(`INSERT INTO shop.stock (tenant_id, item, n) VALUES ($1, 'reconnected', 1)`, [cairn.identity.tenant])
      const pid = (await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
      if (runs === 1) await kill(pid)
      await tx.query('SELECT 1')
    })
    expect(runs).toBe(2)
    expect(await stock('reconnected')).toBe(1)
  })

  test('stops waiting for another try when it is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    let runs = 0
    const failing = cairn.transaction({ attempts: 1_000, signal: controller.signal }, async (tx) => {
      runs += 1
      if (runs === 2) controller.abort(reason)
      await tx.exec(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`)
    })
    expect(await failureOf(failing)).toBe(reason)
    expect(runs).toBe(2)
  })
})

test('a commit that was stored but whose answer was lost is OUTCOME_UNKNOWN, and stored once', async () => {
  const servers = cairnTargets.find(({ name }) => name === 'servers')
  const place = await servers?.place()
  const url = new URL(place?.options.postgres as string)
  const wire = await cuttingProxy(url)
  const cairn = await open({ ...place?.options, postgres: throughProxy(url, wire) })
  try {
    await cairn.engines.sql.transaction(OWNER, (session) => session.exec('CREATE TABLE public.once (n int); GRANT ALL ON public.once TO application_user'))
    let runs = 0
    wire.cutAfter('COMMIT', 'INSERT INTO public.once')
    const failing = failureOf(
      cairn.transaction({ attempts: 5 }, async (tx) => {
        runs += 1
        await tx.query('INSERT INTO public.once VALUES (1)')
      }),
    )
    expect((await failing).code).toBe('OUTCOME_UNKNOWN')
    expect(runs).toBe(1)
    expect((await cairn.engines.sql.query(OWNER, 'SELECT count(*) AS n FROM public.once')).rows).toEqual([{ n: 1 }])
  } finally {
    await cairn.close()
    wire.close()
    await place?.dispose()
  }
})
