import { CairnError } from '@cairn/core'
import { parseJson } from './json-syntax.ts'
import { parseLocomoDate } from './locomo-date.ts'

/** One turn of speech. */
export interface LocomoTurn {
  readonly speaker: string
  /** Unique in its conversation, e.g. `D3:14`. */
  readonly diaId: string
  readonly text: string
  /** The session's time and one second for each turn before this one: the format knows no time of a turn. */
  readonly at: Date
  readonly imageUrls: readonly string[]
  readonly imageCaption: string | null
  readonly imageQuery: string | null
}

export interface LocomoSession {
  /** N of `session_N`. */
  readonly number: number
  readonly startedAt: Date
  readonly turns: readonly LocomoTurn[]
}

export interface LocomoConversation {
  /** Unique in its file: the file's stem, and the sample's id where the file holds a list of samples. */
  readonly name: string
  readonly speakers: readonly [string, string]
  /** By number, ascending. */
  readonly sessions: readonly LocomoSession[]
}

type JsonRecord = Readonly<Record<string, unknown>>

/** Keys made from these names must fit in 255 characters. */
const MAX_NAME = 100
const MAX_DIA_ID = 40
const MAX_TEXT_BYTES = 1_048_576

/**
 * The conversations in a LoCoMo file. Accepts one conversation (`speaker_a`, `speaker_b`, `session_N`,
 * `session_N_date_time`), a sample with it under `conversation`, or a list of either. Times are read as UTC. Other
 * keys (questions, summaries, observations, events) are passed over, and so is a date without its session.
 *
 * `file` is the name shown in errors, `stem` the name of the conversation. Throws IMPORT_MALFORMED with the file and
 * the place: line and column where it is not JSON, else a path such as `session_3[14].speaker`.
 */
export function parseLocomo(text: string, file: string, stem: string): LocomoConversation[] {
  const reader = new LocomoReader(file)
  const root = parseJson(text, file)
  reader.checkName('the file name', stem, MAX_NAME)
  if (!Array.isArray(root)) return [reader.sample(root, '', stem)]
  if (root.length === 0) throw reader.malformed('the file', 'the list is empty: there is no conversation in it')
  const names = new Set<string>()
  return root.map((sample: unknown, index) => {
    const id = reader.record(sample, `[${index}]`)['sample_id'] ?? String(index)
    const place = `[${index}].sample_id`
    if (typeof id !== 'string') throw reader.expected(place, 'a text', id)
    reader.checkName(place, id, MAX_DIA_ID)
    if (names.has(id)) throw reader.malformed(place, `${JSON.stringify(id)} stands twice in this file`)
    names.add(id)
    return reader.sample(sample, `[${index}]`, `${stem}/${id}`)
  })
}

class LocomoReader {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  sample(value: unknown, place: string, name: string): LocomoConversation {
    const outer = this.record(value, place)
    if (!('conversation' in outer)) return this.#conversation(outer, place, name)
    const inner = join(place, 'conversation')
    return this.#conversation(this.record(outer['conversation'], inner), inner, name)
  }

  #conversation(data: JsonRecord, place: string, name: string): LocomoConversation {
    const speakers = [this.#speakerName(data, place, 'speaker_a'), this.#speakerName(data, place, 'speaker_b')] as const
    if (speakers[0] === speakers[1]) throw this.malformed(join(place, 'speaker_b'), `the same as speaker_a (${JSON.stringify(speakers[1])}); the two must differ`)
    const numbers = Object.keys(data)
      .flatMap((key) => /^session_([1-9]\d{0,8})$/.exec(key)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b)
    if (numbers.length === 0) throw this.malformed(place === '' ? 'the file' : place, 'there is no session_1: this is not a LoCoMo conversation')
    const seen = new Map<string, string>()
    return { name, speakers, sessions: numbers.map((number) => this.#session(data, place, number, speakers, seen)) }
  }

  #speakerName(data: JsonRecord, place: string, key: string): string {
    const name = data[key]
    if (typeof name !== 'string') throw this.expected(join(place, key), "a speaker's name", name)
    this.checkName(join(place, key), name, MAX_NAME)
    return name
  }

  #session(data: JsonRecord, place: string, number: number, speakers: readonly [string, string], seen: Map<string, string>): LocomoSession {
    const key = `session_${number}`
    const turns = data[key]
    if (!Array.isArray(turns)) throw this.expected(join(place, key), 'a list of turns', turns)
    const datePlace = join(place, `${key}_date_time`)
    const date = data[`${key}_date_time`]
    const startedAt = typeof date === 'string' ? parseLocomoDate(date) : undefined
    if (startedAt === undefined) throw this.expected(datePlace, 'a time such as "1:56 pm on 8 May, 2023"', date)
    return {
      number,
      startedAt,
      turns: turns.map((turn: unknown, index) => this.#turn(turn, join(place, `${key}[${index}]`), new Date(startedAt.getTime() + index * 1000), speakers, seen)),
    }
  }

  #turn(value: unknown, place: string, at: Date, speakers: readonly [string, string], seen: Map<string, string>): LocomoTurn {
    const turn = this.record(value, place)
    const speaker = this.#text(turn, place, 'speaker')
    if (!speakers.includes(speaker)) throw this.expected(`${place}.speaker`, speakers.map((name) => JSON.stringify(name)).join(' or '), speaker)
    const diaId = this.#text(turn, place, 'dia_id')
    this.checkName(`${place}.dia_id`, diaId, MAX_DIA_ID)
    const first = seen.get(diaId)
    if (first !== undefined) throw this.malformed(`${place}.dia_id`, `${JSON.stringify(diaId)} is the dia_id of ${first} already`)
    seen.set(diaId, place)
    return {
      speaker,
      diaId,
      text: this.#text(turn, place, 'text'),
      at,
      imageUrls: this.#imageUrls(turn, place),
      imageCaption: turn['blip_caption'] == null ? null : this.#text(turn, place, 'blip_caption'),
      imageQuery: turn['query'] == null ? null : this.#text(turn, place, 'query'),
    }
  }

  #imageUrls(turn: JsonRecord, place: string): string[] {
    const value = turn['img_url'] ?? []
    const urls: unknown[] = Array.isArray(value) ? value : [value]
    if (urls.length > 100) throw this.malformed(`${place}.img_url`, `${urls.length} addresses are more than the limit of 100`)
    return urls.map((url, index) => {
      const at = Array.isArray(value) ? `${place}.img_url[${index}]` : `${place}.img_url`
      if (typeof url !== 'string') throw this.expected(at, 'a text', url)
      this.checkName(at, url, MAX_TEXT_BYTES)
      return url
    })
  }

  #text(data: JsonRecord, place: string, key: string): string {
    const value = data[key]
    if (typeof value !== 'string') throw this.expected(`${place}.${key}`, 'a text', value)
    this.#checkText(`${place}.${key}`, value)
    return value
  }

  checkName(place: string, value: string, limit: number): void {
    this.#checkText(place, value)
    if (value.trim() === '') throw this.malformed(place, 'is empty')
    if (value.length > limit) throw this.malformed(place, `${value.length} characters are more than the limit of ${limit}`)
  }

  #checkText(place: string, value: string): void {
    if (value.includes('\0')) throw this.malformed(place, 'contains U+0000, which cannot be stored')
    if (!value.isWellFormed()) throw this.malformed(place, 'contains a lone surrogate, which is not valid Unicode')
    if (Buffer.byteLength(value) > MAX_TEXT_BYTES) throw this.malformed(place, `is longer than ${MAX_TEXT_BYTES} bytes`)
  }

  record(value: unknown, place: string): JsonRecord {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.expected(place === '' ? 'the file' : place, 'an object', value)
    return value as JsonRecord
  }

  expected(place: string, wanted: string, got: unknown): CairnError {
    return this.malformed(place, `expected ${wanted}, got ${describe(got)}`)
  }

  malformed(place: string, problem: string): CairnError {
    return new CairnError('IMPORT_MALFORMED', `${this.#file}: ${place}: ${problem}`, { details: { file: this.#file, place } })
  }
}

const join = (place: string, key: string): string => (place === '' ? key : `${place}.${key}`)

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
