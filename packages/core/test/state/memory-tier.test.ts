import { describe, expect, it } from 'vitest'
import { MemoryTier } from '../../src/state/memory-tier.ts'
import type { StoredState } from '../../src/state/state-entry.ts'

const stored = (revision: number): StoredState => ({ text: `${revision}`, checksum: '', revision, kvRevision: revision, writtenAt: 0, expiresAt: undefined })

function load(memory: MemoryTier, revision: number): void {
  memory.begin('k')
  memory.settle('k', stored(revision))
}

describe('MemoryTier', () => {
  it('does not serve a read that was overtaken by a reported change', () => {
    const memory = new MemoryTier(1_000_000)
    memory.begin('k')
    memory.changed('k', 5)
    memory.settle('k', stored(4))
    expect(memory.get('k')).toBeUndefined()
    expect(memory.floor('k')?.revision).toBe(4)
  })

  it('keeps the newer of two results that settle in the wrong order', () => {
    const memory = new MemoryTier(1_000_000)
    memory.begin('k')
    memory.begin('k')
    memory.settle('k', stored(7))
    memory.settle('k', stored(6))
    expect(memory.get('k')?.revision).toBe(7)
  })

  it('ignores the report of a change it already has', () => {
    const memory = new MemoryTier(1_000_000)
    load(memory, 3)
    memory.changed('k', 3)
    expect(memory.get('k')?.revision).toBe(3)
  })

  it('serves nothing from before a gap, and nothing read across it', () => {
    const memory = new MemoryTier(1_000_000)
    load(memory, 1)
    memory.begin('k')
    memory.gap()
    expect(memory.get('k')).toBeUndefined()
    memory.settle('k', stored(2))
    expect(memory.get('k')).toBeUndefined()
    load(memory, 2)
    expect(memory.get('k')?.revision).toBe(2)
  })

  it('stays within its size', () => {
    const memory = new MemoryTier(100_000)
    for (let index = 0; index < 10_000; index++) {
      memory.begin(`k${index}`)
      memory.settle(`k${index}`, { ...stored(index + 1), text: 'x'.repeat(100) })
    }
    expect(memory.size.bytes).toBeLessThanOrEqual(100_000)
  })
})
