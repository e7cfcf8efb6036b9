import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { confidenceOf, deriveProfile, messageSignal, shrunk, wilsonLower } from '../../../src/domains/personality/index.ts'

const at = new Date('2026-03-29T23:30:00Z')
const signal = (message: string, response?: string) => messageSignal({ message, at, ...(response === undefined ? {} : { response }) }, 'UTC')
const profile = (messages: readonly string[]) => {
  const sums: Record<string, number> = {}
  for (const message of messages) for (const [name, n] of Object.entries(signal(message).counts)) sums[name] = (sums[name] ?? 0) + n
  return deriveProfile(sums, [], 1)
}

describe('what a message teaches', () => {
  it('counts style, questions, goals and topics, and keeps no text', () => {
    const formal = signal('Dear team, could you kindly explain why the invoice import fails? Furthermore, the invoice numbers are wrong.')
    expect(formal.counts).toMatchObject({ messages: 1, sentences: 2, with_question: 1, with_politeness: 1, formal: 4, 'goal.learn': 1, 'goal.solve': 1 })
    expect(formal.counts['informal']).toBeUndefined()
    expect(formal.terms).toMatchObject({ invoice: 2, import: 1, team: 1 })
    const casual = signal("hey dude lol gonna fix it 🎉🎉 that's cool!!")
    expect(casual.counts).toMatchObject({ emoji: 2, with_emoji: 1, exclamations: 2, with_exclamation: 1 })
    expect(casual.counts['informal']).toBeGreaterThanOrEqual(8)
    expect(JSON.stringify(signal('secret-number 4711 is mine').terms)).not.toContain('4711')
  })

  it('counts the hour and the weekday of the time zone, over a change of the clock', () => {
    expect(signal('x').counts).toMatchObject({ 'hour.23': 1, 'day.0': 1 })
    expect(messageSignal({ message: 'x', at }, 'Europe/Berlin').counts).toMatchObject({ 'hour.1': 1, 'day.1': 1 })
    expect(messageSignal({ message: 'x', at: new Date('2026-03-29T00:30:00Z') }, 'Europe/Berlin').counts).toMatchObject({ 'hour.1': 1, 'day.0': 1 })
    expect(messageSignal({ message: 'x', at: new Date('2026-03-29T01:30:00Z') }, 'Europe/Berlin').counts).toMatchObject({ 'hour.3': 1 })
  })

  it('sees the traits of a response', () => {
    expect(signal('x', '- one\n- two').traits).toEqual(['length.short', 'list'])
    expect(signal('x', `${'word '.repeat(60)} for example \`\`\`js\n1\n\`\`\` https://a.b shall I?`).traits).toEqual(['length.medium', 'code', 'example', 'question', 'link'])
  })

  it('takes any text, and says the same of the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
        const once = signal(text, text)
        expect(signal(text, text)).toEqual(once)
        expect(Object.values(once.counts).every((n) => Number.isSafeInteger(n) && n > 0)).toBe(true)
        expect(Object.keys(once.terms).length).toBeLessThanOrEqual(64)
      }),
    )
    expect(signal('é'.repeat(100_000)).counts['words']).toBe(1)
    expect(signal('a '.repeat(50_000), '?'.repeat(1_000_000)).counts['words']).toBe(50_000)
  })

  it('separates a formal from a casual writer, and a long-winded from a short one', () => {
    const formal = profile(Array.from({ length: 10 }, () => 'Dear colleagues, would you kindly review the attached report? Therefore, please respond regarding the schedule.'))
    const casual = profile(Array.from({ length: 10 }, () => "lol yeah gonna check it btw that's cool"))
    expect(formal.communicationStyle.formality).toBeGreaterThan(0.9)
    expect(casual.communicationStyle.formality).toBeLessThan(0.1)
    expect(formal.communicationStyle.politeness).toBeGreaterThan(casual.communicationStyle.politeness)
    expect(formal.communicationStyle.questions).toBeGreaterThan(0.7)
    expect(casual.communicationStyle.messageLength).toBe('short')
    expect(profile(['word '.repeat(200)]).communicationStyle).toMatchObject({ messageLength: 'long', messageWords: 200, messageWordsDeviation: 0 })
  })
})

describe('the formulae', () => {
  it('confidence grows with each message and stays below one', () => {
    fc.assert(fc.property(fc.nat(1_000_000), (n) => confidenceOf(n + 1) > confidenceOf(n) && confidenceOf(n) < 1))
    expect([0, 20, 180].map(confidenceOf)).toEqual([0, 0.5, 0.9])
  })

  it('shares stay within 0..1, begin at the prior and end at what was observed', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), fc.double({ min: 0, max: 1, noNaN: true }), (a, b, prior) => {
        const [k, n] = [Math.min(a, b), Math.max(a, b)]
        for (const share of [shrunk(k, n, prior), wilsonLower(k, n)]) expect(share >= 0 && share <= 1).toBe(true)
        if (n > 0) expect(wilsonLower(k, n)).toBeLessThanOrEqual(k / n + 1e-12)
      }),
    )
    expect(shrunk(0, 0, 0.3)).toBe(0.3)
    expect(shrunk(1e6, 1e6, 0)).toBeCloseTo(1, 4)
  })

  it('the order of messages does not change the profile', () => {
    const some = fc.array(fc.constantFrom('hi there!', 'Why does it fail?', 'please plan the week', 'ok', 'lol 🎉', 'Therefore I would build the parser.'), { maxLength: 20 })
    fc.assert(fc.property(some.chain((messages) => fc.tuple(fc.constant(messages), fc.shuffledSubarray(messages, { minLength: messages.length }))), ([one, other]) => {
      expect(profile(other)).toEqual(profile(one))
    }))
  })

  it('topics that everybody has weigh less than those of one user', () => {
    const row = (term: string, messages: number, users: number) => ({ term, messages, uses: messages, positive: 0, negative: 0, users })
    const { preferredTopics } = deriveProfile({}, [row('meeting', 6, 100), row('falconry', 4, 1), row('gone', 0, 1)], 100)
    expect(preferredTopics.map(({ term }) => term)).toEqual(['falconry', 'meeting'])
  })
})
