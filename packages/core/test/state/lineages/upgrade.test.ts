import { describe, expect, it } from 'vitest'
import { type Cairn, open } from '../../../src/index.ts'
import type { KvKey } from '../../../src/engines/kv/index.ts'
import { parseEntryKey } from '../../../src/state/lineages/journal-keys.ts'
import { type CairnTarget, cairnTargets, until } from '../../harness/cairns.ts'
import { everything, grow, holdJournal, idOf } from './lineage-world.ts'

/** One entry that several callers share, as a later release might write it: the key as now, the value in a form that nobody here reads. */
const unreadable = (text: string): string => JSON.stringify({ form: 9, packed: Buffer.from(text).toString('base64') })

describe('lineages during a rolling upgrade', () => {
  it('an entry of several callers that the reader cannot decode harms no other, stays where it is, and is carried over by one who can', { timeout: 60_000 }, async () => {
    const place = await (cairnTargets.find(({ name }) => name === 'servers') as CairnTarget).place()
    const errors: string[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: (_: object, message: string) => void errors.push(message) }
    const journalOf = (cairn: Cairn) => cairn.engines.kv.bucket('LINEAGE_JOURNAL')
    try {
      const writer = await open(place.options)
      const release = holdJournal(writer)
      const written = writer.lineages.space({ namespace: 'hot', ack: 'hot' })
      await grow(written, 'a', 2)
      await grow(written, 'b', 2)
      const texts: { revision: number; text: string }[] = []
      const bins = new Set<string>()
      for await (const { key, value, revision } of (await journalOf(writer)).list([])) {
        if (key.length !== 4) continue
        texts.push({ revision, text: value })
        for (const bin of parseEntryKey(key)?.bins ?? []) bins.add(bin)
      }
      expect(bins.size).toBe(2)
      release()
      const expected = new Map([['a', await everything(written, 'a')], ['b', await everything(written, 'b')]])
      for (const thread of ['a', 'b']) expect(await written.deleteThread(thread)).toBe(true)
      const group = `{"group":[${texts.sort((x, y) => x.revision - y.revision).map(({ text }) => text).join(',')}]}`
      await writer.close()

      // A reader of this release runs while the newer one writes, and says that it does.
      const reader = await open({ ...place.options, logger })
      const space = reader.lineages.space({ namespace: 'hot', ack: 'hot' })
      await grow(space, 'own', 2)
      const key: KvKey = ['newer', 'default', 'group', `1_${[...bins].join('')}`]
      const journal = await journalOf(reader)
      await journal.put(['newer', 'stored'], `0 ${Date.now()}`)
      await journal.put(key, unreadable(group))
      await until('the reader has met the entry', async () => {
        await Promise.all(['a', 'b'].map((thread) => space.get({ thread })))
        return errors.some((text) => text.includes('damaged entry of the lineage journal'))
      })
      // What it cannot read it neither takes out nor guesses at; all the rest goes on, in the same lineages too.
      expect(await space.get({ thread: 'a' })).toBeUndefined()
      await grow(space, 'own', 4, 2)
      await grow(space, 'other', 3)
      expect((await space.get({ thread: 'own' }))?.id).toBe(idOf(3))
      expect((await journal.get(key))?.value).toBe(unreadable(group))
      await reader.close()
      await using restarted = await open({ ...place.options, logger })
      const again = restarted.lineages.space({ namespace: 'hot' })
      expect([(await again.get({ thread: 'own' }))?.id, (await again.get({ thread: 'other' }))?.id, await again.get({ thread: 'b' })]).toEqual([idOf(3), idOf(2), undefined])
      expect((await (await journalOf(restarted)).get(key))?.value).toBe(unreadable(group))

      // The process that knows the form: here the same entry in a form that this release knows.
      await (await journalOf(restarted)).put(key, group)
      await using upgraded = await open(place.options)
      const seen = upgraded.lineages.space({ namespace: 'hot' })
      for (const thread of ['a', 'b']) expect(await everything(seen, thread)).toEqual(expected.get(thread))
      await until('it is in SQL and leaves the journal', async () => (await (await journalOf(upgraded)).get(key)) === undefined)
    } finally {
      await place.dispose()
    }
  })
})
