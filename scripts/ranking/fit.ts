import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { scoreOf, type TreeNode } from '../../packages/core/src/ranking/index.ts'
import { examplesOf, embeddedText, type Example } from './examples.ts'
import { figuresOf, line, meanOf, type Figures } from './figures.ts'
import { growTrees, GROW, type TrainingRows } from './grow-trees.ts'
import { readLocomo } from './locomo-questions.ts'
import { offlineVectors } from './vectors.ts'

/**
 * Fits the weights of the ranking to LoCoMo questions and says how they do on questions they were not fitted to.
 *
 *     node --conditions=source scripts/ranking/fit.ts --cache vectors.json FILE... [--write] [--trees N]
 *
 * For each file in turn, trees are grown on the questions of the other files and measured on this one: the figures
 * printed are these, per file, their mean, and by category over all questions. `--write` then fits on all files and
 * writes packages/core/src/ranking/model/weights-*.ts. No setting is chosen by the questions of the file measured.
 */
const { values: flags, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: { cache: { type: 'string' }, write: { type: 'boolean' }, trees: { type: 'string' }, only: { type: 'string' }, rate: { type: 'string' }, leaves: { type: 'string' }, seeds: { type: 'string' } },
})
/** More of these never lowers a score. */
const RISING = new Set([
  'bm25', 'bm25 of best', 'bm25 place', 'coverage', 'coverage with before', 'rarest', 'matched', 'pairs', 'alike', 'members',
  'window', 'window of best', 'window place', 'similarity', 'similarity place', 'speaker', 'date',
])
const files = paths.map(readLocomo)
const texts = files.flatMap(({ turns, questions }) => [...turns.map(embeddedText), ...questions.map(({ text }) => text)])
const vectors = await offlineVectors(texts, flags.cache ?? 'vectors.json')

const withVectors = files.map((file) => examplesOf(file, vectors))
if (flags.only === undefined) report('vectors alone', withVectors, (example) => example.similarities)
for (const [name, examples] of [['text', files.map((file) => examplesOf(file, undefined))], ['full', withVectors]] as const) {
  if (flags.only !== undefined && flags.only !== name) continue
  const measures = examples[0]?.[0]?.measures ?? []
  const byFile = new Map(examples.map((held, index) => [held, grow(examples.filter((_, other) => other !== index).flat(), measures)]))
  const trees = new Map(examples.flatMap((held) => held.map((example) => [example, byFile.get(held) ?? []])))
  report(name, examples, (example) => scores(example, trees.get(example) ?? []))
  if (flags.write) write(name, measures, grow(examples.flat(), measures))
}

function grow(examples: readonly Example[], measures: readonly string[]): TreeNode[] {
  const useful = examples.filter(({ ids, question }) => ids.some((id) => question.evidence.includes(id))).map((example) => thinned(example))
  const counts = useful.map(({ ids }) => ids.length)
  const values = new Float32Array(counts.reduce((sum, count) => sum + count, 0) * measures.length)
  const targets = new Float32Array(values.length / measures.length)
  const questions: [number, number][] = []
  let from = 0
  for (const { ids, question, values: own } of useful) {
    values.set(own, from * measures.length)
    const answers = ids.filter((id) => question.evidence.includes(id)).length
    ids.forEach((id, index) => { targets[from + index] = question.evidence.includes(id) ? 1 / answers : 0 })
    questions.push([from, from + ids.length])
    from += ids.length
  }
  const rows: TrainingRows = { values, width: measures.length, questions, targets }
  const rising = new Set(measures.flatMap((measure, index) => (RISING.has(measure) ? [index] : [])))
  return growTrees(rows, { ...GROW, rising, ...(flags.trees && { trees: Number(flags.trees) }), ...(flags.rate && { rate: Number(flags.rate) }), ...(flags.leaves && { leaves: Number(flags.leaves) }) })
}

/** An example with every third of the candidates that stand far down by text: they are many, and tell little. */
function thinned(example: Example): Example {
  const width = example.measures.length
  const [window, similarity] = [example.measures.indexOf('window place'), example.measures.indexOf('similarity place')]
  const far = (index: number): boolean => [window, similarity].every((measure) => (example.values[index * width + measure] as number) < 1 / 6)
  const kept = [...example.ids.keys()].filter((index) => index % 3 === 0 || !far(index) || example.question.evidence.includes(example.ids[index] as string))
  const values = new Float32Array(kept.length * width)
  kept.forEach((index, at) => values.set(example.values.subarray(index * width, (index + 1) * width), at * width))
  return { ...example, values, ids: kept.map((index) => example.ids[index] as string) }
}

function scores({ ids, values, measures }: Example, trees: readonly TreeNode[]): number[] {
  return ids.map((_, index) => scoreOf({ measures, trees }, (measure) => values[index * measures.length + measure] as number))
}

function report(name: string, examples: readonly (readonly Example[])[], scoresOf: (example: Example) => ArrayLike<number>): void {
  const perFile = examples.map((held): Figures => figuresOf(held, scoresOf))
  console.log(`\n${name}\n| file | questions | recall@5 | recall@10 | recall@20 | MRR | session@10 |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |`)
  perFile.forEach((figures, index) => console.log(line(files[index]?.name ?? '', figures)))
  console.log(line('mean of files', meanOf(perFile)))
  for (const category of [1, 2, 3, 4]) console.log(line(`category ${category}`, figuresOf(examples.flat().filter(({ question }) => question.category === category), scoresOf)))
  const all = examples.flat()
  const found = all.map(({ ids, question }) => question.evidence.filter((id) => ids.includes(id)).length / question.evidence.length)
  console.log(`among the candidates: ${(found.reduce((sum, share) => sum + share, 0) / all.length).toFixed(3)}; candidates: ${(all.reduce((sum, { ids }) => sum + ids.length, 0) / all.length).toFixed(0)}`)
}

function write(name: string, measures: readonly string[], trees: readonly TreeNode[]): void {
  const path = join(import.meta.dirname, `../../packages/core/src/ranking/model/weights-${name}.ts`)
  const constant = `${name.toUpperCase()}_WEIGHTS`
  writeFileSync(path, [
    '// Written by scripts/ranking/fit.ts: fitted weights, one tree a line. Not to be edited.',
    "import type { BoostedTrees } from './trees.ts'",
    '',
    `export const ${constant}: BoostedTrees = {`,
    `  measures: ${JSON.stringify(measures)},`,
    '  trees: [',
    ...trees.map((tree) => `    ${JSON.stringify(tree)},`),
    '  ],',
    '}',
    '',
  ].join('\n'))
}
