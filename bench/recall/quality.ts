import type { Cairn, RecallMode } from '../../packages/core/src/index.ts'
import type { LocomoFile, LocomoQuestion } from './locomo.ts'

const MODES = { text: 'text', vectors: 'vector', all: 'hybrid' } as const satisfies Record<string, RecallMode>
const DEPTH = 50

export interface Quality {
  readonly questions: number
  /** Share of a question's evidence among the first so many, on average over the questions. */
  readonly 'recall@5': number
  readonly 'recall@10': number
  readonly 'recall@20': number
  /** 1 ÷ the rank of the first evidence, on average; 0 when it is not among the first 50. */
  readonly mrr: number
  /** Share of questions of which one of the first 10 lies in a session that holds evidence. */
  readonly 'session@10': number
}

type Scores = { -readonly [K in keyof Quality]: number }

export type QualityTable = Readonly<Record<string, Readonly<Record<string, Quality>>>>

/** Asks each question of each file in each way; by way, then overall, by category and by file. */
export async function measureQuality(cairn: Cairn, files: readonly LocomoFile[], say: (line: string) => void): Promise<{ table: QualityTable; latencies: Readonly<Record<string, readonly number[]>> }> {
  const table: Record<string, Record<string, Quality>> = {}
  const latencies: Record<string, number[]> = {}
  for (const [way, mode] of Object.entries(MODES)) {
    const groups = new Map<string, Scores[]>()
    for (const file of files) {
      const { recall } = cairn.as({ tenant: tenantOf(file) })
      const sessions = new Map(file.memories.map(({ key = '', sessionId }) => [key, sessionId]))
      for (const question of file.questions) {
        const began = performance.now()
        const { items, degraded } = await recall.search(question.text, { mode, limit: DEPTH, at: file.end })
        ;(latencies[way] ??= []).push(performance.now() - began)
        if (degraded !== null) throw new Error(`${way}: ${degraded.message}`)
        const scores = score(question, items.map(({ memory }) => memory.key ?? ''), sessions)
        for (const group of ['overall', `category ${question.category}`, `file ${file.name}`]) groups.set(group, [...(groups.get(group) ?? []), scores])
      }
    }
    table[way] = Object.fromEntries([...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([group, all]) => [group, average(all)]))
    const overall = table[way]['overall']
    if (overall !== undefined) say(`  ${way}: recall@10 ${overall['recall@10'].toFixed(3)}, MRR ${overall.mrr.toFixed(3)}, session@10 ${overall['session@10'].toFixed(3)}`)
  }
  return { table, latencies }
}

export function tenantOf({ name }: LocomoFile): string {
  return `locomo-${name.replaceAll(/[^A-Za-z0-9]/g, '-')}`
}

function score({ evidence }: LocomoQuestion, found: readonly string[], sessions: ReadonlyMap<string, string | undefined>): Scores {
  const among = (depth: number): number => evidence.filter((turn) => found.slice(0, depth).includes(turn)).length / evidence.length
  const first = found.findIndex((turn) => evidence.includes(turn))
  const held = new Set(evidence.map((turn) => sessions.get(turn)))
  return {
    questions: 1,
    'recall@5': among(5),
    'recall@10': among(10),
    'recall@20': among(20),
    mrr: first < 0 ? 0 : 1 / (first + 1),
    'session@10': found.slice(0, 10).some((turn) => held.has(sessions.get(turn))) ? 1 : 0,
  }
}

function average(all: readonly Scores[]): Quality {
  const mean = (name: Exclude<keyof Quality, 'questions'>): number => all.reduce((sum, scores) => sum + scores[name], 0) / all.length
  return { questions: all.length, 'recall@5': mean('recall@5'), 'recall@10': mean('recall@10'), 'recall@20': mean('recall@20'), mrr: mean('mrr'), 'session@10': mean('session@10') }
}
