import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cairn, isCairnError, open } from '../../../src/index.ts'
import { cairnTargets, openCairn, until } from '../../harness/cairns.ts'

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(() => 'no error', (error: unknown) => (isCairnError(error) ? error.code : String(error)))
}

describe.each(cairnTargets)('the agent repository ($name)', (target) => {
  let opened: Awaited<ReturnType<typeof openCairn>>
  let cairn: Cairn
  beforeAll(async () => {
    opened = await openCairn(target)
    cairn = opened.cairn
  })
  afterAll(() => opened?.dispose())

  // proves S4-4.1-01, S4-4.1-02, S4-4.1-03
  it('saves, finds without SQL, updates and deletes', async () => {
    const { agentRepository: repository } = cairn
    expect(await repository.find('scout')).toBeUndefined()
    const saved = await repository.save({ name: 'scout', type: 'analyst' })
    expect(await repository.find('scout')).toEqual(await cairn.agents.get('scout'))
    const { loads } = cairn.cache.stats()
    expect(await repository.find(saved.id)).toMatchObject({ id: saved.id, createdAt: saved.createdAt })
    expect(await repository.find('scout')).toMatchObject({ id: saved.id })
    expect(cairn.cache.stats().loads).toBe(loads)
    expect(await repository.save({ name: 'scout', type: 'analyst', description: 'again' })).toMatchObject({ id: saved.id, configVersion: 2 })
    await repository.update('scout', { description: 'changed' })
    expect(await repository.find('scout')).toMatchObject({ description: 'changed' })
    expect(await codeOf(repository.get('nobody'))).toBe('AGENT_NOT_FOUND')
    expect(await cairn.as({ tenant: 'other' }).agentRepository.find(saved.id)).toBeUndefined()
    expect(await repository.delete('scout')).toBe(true)
    expect(await repository.delete('scout')).toBe(false)
    expect(await repository.find('scout')).toMatchObject({ status: 'terminated' })
  })

  it('shows every change of an agent at once, also a new key and new capabilities', async () => {
    const { agentRepository: repository, agents } = cairn
    const { id } = await agents.register({ name: 'a', key: 'first', type: 'analyst' })
    expect((await repository.find('first'))?.status).toBe('initializing')
    await agents.activate('first')
    expect((await repository.find('first'))?.status).toBe('active')
    await agents.setHealth(id, 'degraded')
    expect((await repository.find('first'))?.health).toBe('degraded')
    await agents.capabilities.set('first', ['search'])
    expect((await repository.find('first'))?.capabilities).toEqual(['search'])
    await agents.capabilities.remove(id, 'search')
    expect((await repository.find('first'))?.capabilities).toEqual([])
    await agents.update(id, { key: 'second' })
    expect(await repository.find('first')).toBeUndefined()
    expect((await repository.find('second'))?.id).toBe(id)
    const { id: heir } = await agents.register({ name: 'b', key: 'first', type: 'analyst' })
    expect((await repository.find('first'))?.id).toBe(heir)
  })

  it('shows the changes of other processes', async () => {
    if (target.name === 'embedded') return
    const other = await open(opened.place.options)
    const { id } = await cairn.agents.register({ name: 'c', type: 'analyst' })
    for (let n = 0; n < 20; n++) {
      await cairn.agents.update(id, { description: `change ${n}` })
      await until('the other process shows it', async () => (await other.agentRepository.find(id))?.description === `change ${n}`)
    }
    await other.close()
  })
})
