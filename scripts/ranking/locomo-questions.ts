import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

export interface LocomoTurn {
  readonly id: string
  /** What was said, and what a picture that was shown is of. */
  readonly text: string
  readonly speaker: string
  readonly session: string
  readonly position: number
  readonly at: Date
}

export interface LocomoQuestion {
  readonly text: string
  /** 1 several turns, 2 time, 3 inference, 4 one turn; 5, questions without an answer, are left out. */
  readonly category: number
  readonly evidence: readonly string[]
}

export interface LocomoFile {
  readonly name: string
  readonly turns: readonly LocomoTurn[]
  readonly questions: readonly LocomoQuestion[]
}

interface RawTurn { speaker: string; dia_id: string; text: string; blip_caption?: string; query?: string }
interface RawQuestion { question: string; category: number; evidence?: string[] }
type RawFile = Record<string, unknown> & { conversation?: Record<string, unknown>; qa: RawQuestion[] }

/** Turns and questions of a LoCoMo file. Observations, summaries, events and answers in it are not read. */
export function readLocomo(path: string): LocomoFile {
  const raw = JSON.parse(readFileSync(path, 'utf8')) as RawFile
  const conversation = raw.conversation ?? raw
  const numbers = Object.keys(conversation).flatMap((key) => /^session_(\d+)$/.exec(key)?.[1] ?? []).map(Number).toSorted((a, b) => a - b)
  const turns = numbers.flatMap((number) => {
    const at = dateOf(String(conversation[`session_${number}_date_time`]))
    return (conversation[`session_${number}`] as RawTurn[]).map((turn, position): LocomoTurn => ({
      id: turn.dia_id, text: textOf(turn), speaker: turn.speaker, session: String(number), position, at,
    }))
  })
  const questions = raw.qa.filter(({ category }) => category >= 1 && category <= 4).map((question) => ({
    text: question.question,
    category: question.category,
    evidence: [...new Set((question.evidence ?? []).flatMap((ids) => ids.split(/[;,\s]+/)).filter((id) => id !== ''))],
  }))
  return { name: basename(path, '.json'), turns, questions: questions.filter(({ evidence }) => evidence.length > 0) }
}

function textOf({ text, blip_caption: caption, query }: RawTurn): string {
  return caption === undefined ? text : `${text} [${[caption, query].filter(Boolean).join('; ')}]`
}

function dateOf(text: string): Date {
  const [, hour = '', minute = '', half, day = '', month = '', year = ''] = /(\d+):(\d+) (am|pm) on (\d+) (\w+), (\d+)/.exec(text) ?? []
  const parsed = new Date(`${day} ${month} ${year} 00:00 UTC`)
  return new Date(parsed.getTime() + ((Number(hour) % 12) + (half === 'pm' ? 12 : 0)) * 3_600_000 + Number(minute) * 60_000)
}
