import type { Example } from './examples.ts'

/** Means over questions. Recall at n: share of a question's evidence turns among the first n. */
export interface Figures {
  readonly questions: number
  readonly 'recall@5': number
  readonly 'recall@10': number
  readonly 'recall@20': number
  /** Mean of 1 / place of the first evidence turn. */
  readonly mrr: number
  /** Share of questions of which any of the first ten turns lies in a session that holds evidence. */
  readonly 'session@10': number
}

export function figuresOf(examples: readonly Example[], scores: (example: Example) => ArrayLike<number>): Figures {
  const each = examples.map((example) => figuresOfOne(example, scores(example)))
  const mean = (key: 'recall@5' | 'recall@10' | 'recall@20' | 'mrr' | 'session@10'): number => each.reduce((sum, one) => sum + one[key], 0) / Math.max(each.length, 1)
  return { questions: each.length, 'recall@5': mean('recall@5'), 'recall@10': mean('recall@10'), 'recall@20': mean('recall@20'), mrr: mean('mrr'), 'session@10': mean('session@10') }
}

function figuresOfOne({ ids, question: { evidence } }: Example, scores: ArrayLike<number>): Figures {
  const order = [...ids.keys()].toSorted((a, b) => (scores[b] as number) - (scores[a] as number)).map((index) => ids[index] as string)
  const recall = (count: number): number => order.slice(0, count).filter((id) => evidence.includes(id)).length / evidence.length
  const first = order.findIndex((id) => evidence.includes(id))
  const sessions = new Set(evidence.map(sessionOf))
  return {
    questions: 1, 'recall@5': recall(5), 'recall@10': recall(10), 'recall@20': recall(20), mrr: first < 0 ? 0 : 1 / (first + 1),
    'session@10': order.slice(0, 10).some((id) => sessions.has(sessionOf(id))) ? 1 : 0,
  }
}

function sessionOf(id: string): string {
  return id.split(':')[0] as string
}

export function meanOf(all: readonly Figures[]): Figures {
  const mean = (key: keyof Figures): number => all.reduce((sum, one) => sum + one[key], 0) / Math.max(all.length, 1)
  return {
    questions: all.reduce((sum, { questions }) => sum + questions, 0),
    'recall@5': mean('recall@5'), 'recall@10': mean('recall@10'), 'recall@20': mean('recall@20'), mrr: mean('mrr'), 'session@10': mean('session@10'),
  }
}

export function line(name: string, figures: Figures): string {
  const cells = [figures['recall@5'], figures['recall@10'], figures['recall@20'], figures.mrr, figures['session@10']].map((value) => value.toFixed(3))
  return `| ${name} | ${figures.questions} | ${cells.join(' | ')} |`
}
