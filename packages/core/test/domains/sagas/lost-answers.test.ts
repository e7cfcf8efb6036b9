import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, CairnError, open, type SagaStep, type SagaWithSteps } from '../../../src/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import { type CuttingProxy, cuttingProxy, throughProxy } from '../../harness/cutting-proxy.ts'
import type { CairnPlace } from '../../harness/cairns.ts'
import { cairnTargets, uniqueId } from './saga-world.ts'

describe('a saga whose connection dies', () => {
  let cairn: Cairn
  let place: CairnPlace
  let proxy: CuttingProxy

  beforeAll(async () => {
    place = (await cairnTargets.find(({ name }) => name === 'servers')?.place()) as CairnPlace
    const url = new URL(place.options.postgres as string)
    proxy = await cuttingProxy(url)
    cairn = await open({ ...place.options, postgres: throughProxy(url, proxy) })
    await cairn.engines.sql.transaction(OWNER, (session) => session.exec('CREATE TABLE public.refunds (saga text); GRANT ALL ON public.refunds TO application_user'))
  })
  afterAll(async () => {
    await cairn?.close()
    proxy?.close()
    await place?.dispose()
  })

  async function ended(steps: readonly SagaStep[], options: Parameters<Cairn['sagas']['define']>[2] = {}): Promise<SagaWithSteps> {
    const name = uniqueId('saga')
    cairn.sagas.define(name, steps, options)
    const { id } = await cairn.sagas.start(name)
    return cairn.sagas.wait(id, { timeoutMs: 25_000 })
  }
  const fails = { name: 'fails', retries: 0, run: () => Promise.reject(new CairnError('INVALID_ARGUMENT', 'no more')) }

  it.each([0, 3])('compensates in SQL once, although the answer to the COMMIT of the compensation is lost (%i retries)', async (retries) => {
    let runs = 0
    const saga = await ended(
      [
        {
          name: 'charge',
          transaction: () => 1,
          compensateTransaction: async (session, { sagaId }) => {
            if (runs++ === 0) proxy.cutAfter('COMMIT', 'INSERT INTO public.refunds')
            await session.query('INSERT INTO public.refunds VALUES ($1)', [sagaId])
          },
        },
        fails,
      ],
      { compensation: { retries } },
    )
    const { rows } = await cairn.engines.sql.query(OWNER, 'SELECT count(*) AS n FROM public.refunds WHERE saga = $1', [saga.id])
    expect({ status: saga.status, refunds: rows }).toEqual({ status: 'compensated', refunds: [{ n: 1 }] })
  })

  it.each(['before', 'after'] as const)('does not run a step of code again, nor leave it be, when the connection dies %s its end is recorded', async (when) => {
    const ran: string[] = []
    const saga = await ended([
      {
        name: 'charge',
        retries: 0,
        run: () => {
          ran.push('run')
          if (when === 'before') proxy.cutBefore(`SET status = 'done'`)
          else proxy.cutAfter(`SET status = 'done'`)
        },
        compensate: () => ran.push('undo'),
      },
    ])
    expect({ status: saga.status, ran }).toEqual({ status: 'completed', ran: ['run'] })
  })

  it.each(['saga_pattern', 'eventual_consistency'] as const)('goes on after a step in SQL whose commit was not answered, also without retries (%s)', async (strategy) => {
    let runs = 0
    const charge: SagaStep = {
      name: 'charge',
      retries: 0,
      transaction: async (session) => {
        proxy.cutAfter('COMMIT', `SELECT 'the step'`)
        await session.query(`SELECT 'the step'`)
        return runs++
      },
    }
    const saga = await ended([charge], { strategy })
    expect({ status: saga.status, runs }).toEqual({ status: 'completed', runs: 1 })
  })

  it('takes at once what it claimed without getting the answer', async () => {
    cairn.sagas.run({ leaseMs: 60_000, pollMs: 100 })
    const cuts = proxy.cuts
    const name = uniqueId('saga')
    cairn.sagas.define(name, [{ name: 'one', run: () => 1 }])
    proxy.cutAnswer('compensatingForMs', name)
    const { id } = await cairn.sagas.start(name, name)
    expect(await cairn.sagas.wait(id, { timeoutMs: 25_000 })).toMatchObject({ status: 'completed', takeovers: 2 })
    expect(proxy.cuts).toBe(cuts + 1)
  })

  it('does not ask an operator because the end of a compensation was not recorded at once', async () => {
    const saga = await ended(
      [{ name: 'charge', run: () => 1, compensate: () => proxy.cutBefore(`SET status = 'compensated'`) }, fails],
      { compensation: { retries: 0 } },
    )
    expect(saga).toMatchObject({ status: 'compensated', steps: [{ status: 'compensated', compensationAttempts: 1 }, { status: 'failed' }] })
  })
})
