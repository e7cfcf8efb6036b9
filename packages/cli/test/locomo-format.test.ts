import { readFile } from 'node:fs/promises'
import { isCairnError } from '@cairn/core'
import { describe, expect, it } from 'vitest'
import { parseLocomoDate } from '../src/import/locomo-date.ts'
import { parseLocomo } from '../src/import/locomo-format.ts'

const turn = (speaker: string, id: string, more: object = {}): object => ({ speaker, dia_id: id, text: `text of ${id}`, ...more })

function conversation(change: (data: Record<string, unknown>) => void = () => {}): Record<string, unknown> {
  const data: Record<string, unknown> = {
    speaker_a: 'Ann',
    speaker_b: 'Bo',
    session_1_date_time: '1:56 pm on 8 May, 2023',
    session_1: [turn('Ann', 'D1:1'), turn('Bo', 'D1:2')],
    session_2_date_time: '12:05 am on 29 February, 2024',
    session_2: [turn('Bo', 'D2:1')],
  }
  change(data)
  return data
}

function problem(text: string): string {
  try {
    parseLocomo(text, 'talk.json', 'talk')
  } catch (error) {
    if (!isCairnError(error, 'IMPORT_MALFORMED')) throw error
    return error.message
  }
  throw new Error('expected IMPORT_MALFORMED')
}
const problemOf = (change: (data: Record<string, unknown>) => void): string => problem(JSON.stringify(conversation(change)))

describe('LoCoMo files', () => {
  it('give speakers, sessions by number, and turns a second apart', () => {
    const data = conversation((one) => {
      one['session_10_date_time'] = '9:00 am on 1 March, 2024'
      one['session_10'] = [turn('Ann', 'D10:1', { img_url: ['https://example.org/a.jpg'], blip_caption: 'a cat', query: 'cat', 're-download': true })]
      one['session_11_date_time'] = '9:00 am on 2 March, 2024'
      one['session_1_summary'] = 'passed over'
      one['session_1_observation'] = { Ann: [] }
      one['events_session_1'] = {}
      one['qa'] = []
    })
    const [read] = parseLocomo(JSON.stringify(data), 'talk.json', 'talk')
    expect(read?.name).toBe('talk')
    expect(read?.speakers).toEqual(['Ann', 'Bo'])
    expect(read?.sessions.map((session) => session.number)).toEqual([1, 2, 10])
    expect(read?.sessions[0]?.turns.map((one) => one.at.toISOString())).toEqual(['2023-05-08T13:56:00.000Z', '2023-05-08T13:56:01.000Z'])
    expect(read?.sessions[1]?.startedAt.toISOString()).toBe('2024-02-29T00:05:00.000Z')
    expect(read?.sessions[2]?.turns[0]).toMatchObject({ speaker: 'Ann', diaId: 'D10:1', imageUrls: ['https://example.org/a.jpg'], imageCaption: 'a cat', imageQuery: 'cat' })
  })

  it('may hold the conversation inside a sample, or a list of samples', () => {
    const one = parseLocomo(JSON.stringify({ sample_id: 'conv-26', conversation: conversation(), qa: [] }), 'x.json', 'x')
    expect(one.map((read) => read.name)).toEqual(['x'])
    const many = parseLocomo(JSON.stringify([{ sample_id: 'conv-26', conversation: conversation() }, { conversation: conversation() }]), 'x.json', 'x')
    expect(many.map((read) => read.name)).toEqual(['x/conv-26', 'x/1'])
  })

  it('have times that are read strictly, as UTC', () => {
    expect(parseLocomoDate('12:48 am on 1 February, 2023')?.toISOString()).toBe('2023-02-01T00:48:00.000Z')
    expect(parseLocomoDate('12:00 pm on 31 December, 2022')?.toISOString()).toBe('2022-12-31T12:00:00.000Z')
    for (const wrong of ['13:00 pm on 1 May, 2023', '1:60 pm on 1 May, 2023', '1:00 pm on 31 June, 2023', '1:00 pm on 29 February, 2023', '1:00 pm on 1 Mai, 2023', '1:00 on 1 May, 2023', '2023-05-08', ' 1:00 pm on 1 May, 2023', '0:00 am on 1 May, 2023', '1:00 pm on 0 May, 2023', '']) {
      expect(parseLocomoDate(wrong), wrong).toBeUndefined()
    }
  })

  it('that are not JSON are refused with line and column', () => {
    const text = JSON.stringify(conversation(), null, 2)
    const lines = text.split('\n')
    const speakerLine = lines.findIndex((line) => line.includes('"speaker_b"'))
    const broken = lines.with(speakerLine, (lines[speakerLine] as string).replace('"Bo"', '"Bo')).join('\n')
    expect(problem(broken)).toContain(`talk.json:${speakerLine + 1}:${(lines[speakerLine] as string).length}: not JSON: unexpected "\\n"`)
    expect(problem('{"a": 1,\n "b": tru }')).toContain('talk.json:2:10: not JSON: unexpected " "')
    expect(problem('{"a": 1,\n}')).toContain('talk.json:2:1: not JSON: unexpected "}"')
    expect(problem('[1, 2')).toContain('talk.json:1:6: not JSON: the text ends too early')
    expect(problem('')).toContain('talk.json:1:1: not JSON: the text ends too early')
    expect(problem('hello')).toContain('talk.json:1:1: not JSON: unexpected "h"')
    expect(problem(`${text}\n}`)).toContain(`talk.json:${lines.length + 1}:1: not JSON: unexpected "}"`)
    expect(problem(text.slice(0, 100))).toMatch(/^talk.json:\d+:\d+: not JSON: the text ends too early/)
  })

  it('of another form are refused with the place', () => {
    const turns = (data: Record<string, unknown>): Record<string, unknown>[] => data['session_1'] as Record<string, unknown>[]
    expect(problemOf((data) => (turns(data)[1] = turn('Carol', 'D1:2') as Record<string, unknown>))).toBe('talk.json: session_1[1].speaker: expected "Ann" or "Bo", got "Carol"')
    expect(problemOf((data) => delete data['speaker_a'])).toContain(": speaker_a: expected a speaker's name, got nothing")
    expect(problemOf((data) => (data['speaker_b'] = 'Ann'))).toContain(': speaker_b: the same as speaker_a')
    expect(problemOf((data) => (data['speaker_b'] = ''))).toContain(': speaker_b: is empty')
    expect(problemOf((data) => (data['session_2'] = {}))).toContain(': session_2: expected a list of turns, got an object')
    expect(problemOf((data) => delete data['session_2_date_time'])).toContain(': session_2_date_time: expected a time such as "1:56 pm on 8 May, 2023", got nothing')
    expect(problemOf((data) => (data['session_2_date_time'] = 'noon'))).toContain('got "noon"')
    expect(problemOf((data) => (turns(data)[0] = 'hi' as unknown as Record<string, unknown>))).toContain(': session_1[0]: expected an object, got "hi"')
    expect(problemOf((data) => delete turns(data)[0]?.['text'])).toContain(': session_1[0].text: expected a text, got nothing')
    expect(problemOf((data) => Object.assign(turns(data)[0] as object, { text: 7 }))).toContain(': session_1[0].text: expected a text, got 7')
    expect(problemOf((data) => Object.assign(turns(data)[0] as object, { text: 'a\0' }))).toContain(': session_1[0].text: contains U+0000')
    expect(problemOf((data) => Object.assign(turns(data)[0] as object, { text: '\ud800' }))).toContain(': session_1[0].text: contains a lone surrogate')
    expect(problemOf((data) => Object.assign(turns(data)[1] as object, { dia_id: 'D1:1' }))).toContain(': session_1[1].dia_id: "D1:1" is the dia_id of session_1[0] already')
    expect(problemOf((data) => Object.assign(turns(data)[1] as object, { img_url: ['a', 3] }))).toContain(': session_1[1].img_url[1]: expected a text, got 3')
    expect(problem('{}')).toContain(': speaker_a:')
    expect(problem('[]')).toContain('the list is empty')
    expect(problem('null')).toContain('the file: expected an object, got null')
    expect(problem('{"speaker_a":"A","speaker_b":"B"}')).toContain('there is no session_1')
    expect(problem(JSON.stringify([{ conversation: conversation((data) => (data['session_2'] = 3)) }]))).toContain(': [0].conversation.session_2: expected a list of turns, got 3')
    expect(problem(JSON.stringify([{ sample_id: 'a', conversation: conversation() }, { sample_id: 'a', conversation: conversation() }]))).toContain(': [1].sample_id: "a" stands twice')
  })

  it('such as the example in this repository are read whole', async () => {
    const file = new URL('../../../examples/two-hikers.json', import.meta.url)
    const [read, ...more] = parseLocomo(await readFile(file, 'utf8'), 'two-hikers.json', 'two-hikers')
    expect(more).toEqual([])
    expect(read?.speakers).toEqual(['Ingrid', 'Tomás'])
    expect(read?.sessions.map((session) => session.turns.length)).toEqual([13, 12, 12])
  })
})
