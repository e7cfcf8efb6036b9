import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, open } from '../../../src/index.ts'
import { type CairnPlace, cairnTargets, until } from '../../harness/cairns.ts'
import { type CuttingProxy, cuttingProxy, throughProxy } from '../../harness/cutting-proxy.ts'
import { refusal, take, world } from './messages-world.ts'

/** The name of the statement that hands out, which is sent also where its text was sent before. */
const CLAIM = 'messages_claim'

describe('an inbox whose connection dies while it claims', () => {
  let own: Cairn
  let place: CairnPlace
  let proxy: CuttingProxy
  beforeAll(async () => {
    place = (await cairnTargets.find(({ name }) => name === 'servers')?.place()) as CairnPlace
    const url = new URL(place.options.postgres as string)
    proxy = await cuttingProxy(url)
    own = await open({ ...place.options, postgres: throughProxy(url, proxy) })
  })
  afterAll(async () => {
    await own?.close()
    proxy?.close()
    await place?.dispose()
  })

  it('has the same messages again at once, in their order, each for the first time', async () => {
    const { cairn } = await world(own, 'a', 'b')
    for (const subject of ['1', '2', '3']) await cairn.messages.send({ from: 'a', to: 'b', subject, maxRetries: 0 })
    const cuts = proxy.cuts
    proxy.cutAfter(CLAIM)
    // Their leases are ten minutes long, and one delivery is all they have.
    const found = await take(cairn, 'b', 3, { leaseMs: 600_000 })
    expect(proxy.cuts).toBe(cuts + 1)
    expect(found.map(({ subject, attempt }) => ({ subject, attempt }))).toEqual([{ subject: '1', attempt: 1 }, { subject: '2', attempt: 1 }, { subject: '3', attempt: 1 }])
  })

  it('gives them back also when whoever asked never asks again', async () => {
    const { cairn } = await world(own, 'a', 'b')
    const { id } = await cairn.messages.send({ from: 'a', to: 'b', maxRetries: 0 })
    proxy.cutAfter(CLAIM)
    await refusal(cairn.messages.receive('b', { waitMs: 0, leaseMs: 600_000 }), 'CONNECTION_FAILED')
    const other = await open(place.options)
    try {
      await until('another process has it', async () => {
        const [message] = await other.as({ tenant: cairn.identity.tenant }).messages.receive('b', { waitMs: 1_000 })
        if (message !== undefined) expect({ id: message.id, attempt: message.attempt }).toEqual({ id, attempt: 1 })
        await message?.ack()
        return message !== undefined
      })
    } finally {
      await other.close()
    }
  })

  it('leaves to others what they hold', async () => {
    const { cairn } = await world(own, 'a', 'b')
    const first = await cairn.messages.send({ from: 'a', to: 'b' })
    const [held] = await cairn.messages.receive('b', { waitMs: 0, leaseMs: 600_000 })
    const second = await cairn.messages.send({ from: 'a', to: 'b' })
    proxy.cutAfter(CLAIM)
    expect((await take(cairn, 'b', 1)).map(({ id }) => id)).toEqual([second.id])
    expect(held?.id).toBe(first.id)
    await held?.ack()
    expect(await cairn.messages.get(first.id)).toMatchObject({ status: 'processed' })
  })
})
