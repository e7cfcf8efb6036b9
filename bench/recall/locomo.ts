import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { NewMemory } from '../../packages/core/src/domains/memory/index.ts'
import { spoken } from '../../packages/cli/src/import/locomo-import.ts'
import { parseLocomo } from '../../packages/cli/src/import/locomo-format.ts'

export interface LocomoQuestion {
  readonly text: string
  readonly category: 1 | 2 | 3 | 4
  /** Keys of the turns that hold the answer. */
  readonly evidence: readonly string[]
}

export interface LocomoFile {
  readonly name: string
  /** One a turn, its dia_id the key. */
  readonly memories: readonly NewMemory[]
  readonly questions: readonly LocomoQuestion[]
  /** When its questions are asked: at its end. */
  readonly end: Date
}

interface Raw {
  readonly qa?: readonly { readonly question: string; readonly category: number; readonly evidence?: readonly string[] }[]
}

/** A conversation with its questions of the categories 1 to 4 that name evidence in it; category 5 has no answer. */
export function readLocomo(path: string): LocomoFile {
  const text = readFileSync(path, 'utf8')
  const name = basename(path).replace(/\.json$/, '')
  const [conversation] = parseLocomo(text, path, name)
  if (conversation === undefined) throw new Error(`${path} holds no conversation`)
  const memories = conversation.sessions.flatMap(({ number, turns }) =>
    turns.map(({ diaId, text: said, imageCaption, imageQuery, speaker, at }, position): NewMemory => ({
      key: diaId,
      scope: 'shared',
      content: spoken(said, imageCaption, imageQuery),
      speaker,
      sessionId: uuidOf(`${name} ${number}`),
      position,
      occurredAt: at,
    })))
  const known = new Set(memories.map(({ key }) => key))
  const questions = ((JSON.parse(text) as Raw).qa ?? []).flatMap(({ question, category, evidence }): LocomoQuestion[] => {
    // Some name several turns in one text, or none that exists.
    const turns = [...new Set((evidence ?? []).flatMap((given) => given.match(/D\d+:\d+/g) ?? []))].filter((turn) => known.has(turn))
    return turns.length === 0 || !(category === 1 || category === 2 || category === 3 || category === 4) ? [] : [{ text: question, category, evidence: turns }]
  })
  const end = new Date(Math.max(...memories.map(({ occurredAt }) => new Date(occurredAt ?? 0).getTime())))
  return { name, memories, questions, end }
}

function uuidOf(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex')
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}
