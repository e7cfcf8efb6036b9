import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../packages/core/test/harness/postgres-server.ts'
import { type Cairn, open } from '../../packages/core/src/index.ts'
import type { BenchOptions } from '../options.ts'
import { type BenchRecord, type Comparison, makeRecord } from '../record.ts'
import { type LocomoFile, readLocomo } from './locomo.ts'
import { type QualityTable, measureQuality, tenantOf } from './quality.ts'
import { type IndexFigures, measureIndex } from './pgvector.ts'
import { type Speed, cheapEmbedder, measureSpeed } from './speed.ts'

/** Vectors of more memories than this would take longer to make and to store than to search. */
const VECTORS_UP_TO = 100_000

/** The record has the figures of all ways together at its top as well, so that they can be read without knowing its form. */
export interface RecallRecord extends BenchRecord {
  readonly 'recall@5'?: number
  readonly 'recall@10'?: number
  readonly 'recall@20'?: number
  readonly mrr?: number
  readonly 'session@10'?: number
  readonly quality?: QualityTable
  readonly speed: readonly Speed[]
}

/**
 * Questions with annotated evidence against memories of one turn each, on a private PostgreSQL; how long recall takes by size; and the same
 * on PGlite, with the index of pgvector. With CAIRN_BENCH_DATA, a folder, PostgreSQL's data stays there, and a size that is filled is not
 * filled again. Sections: `quality`, `speed`, `pgvector` (which takes long, and is left out unless asked for).
 */
export async function run({ quick, say, files, sizes, only }: BenchOptions): Promise<RecallRecord> {
  if (files.length === 0) throw new Error('Say which files: npm run bench -- recall FILE... (conversations in the LoCoMo format, with `qa`)')
  const conversations = files.map(readLocomo)
  const wanted = sizes ?? (quick ? [1_000] : [1_000, 100_000])
  const has = (section: string): boolean => (only.length === 0 ? section !== 'pgvector' : only.includes(section))
  say('starting a private PostgreSQL')
  const kept = process.env['CAIRN_BENCH_DATA']
  const postgres = await startPostgres(kept === undefined ? {} : { dataDir: kept })
  const dataDir = await mkdtemp(join(tmpdir(), 'cairn-bench-recall-'))
  try {
    const quality = !has('quality') ? undefined : await asking({ postgres: postgres.url, dataDir, embedder: 'offline' }, async (cairn) => {
      const rate = await fill(cairn, conversations, say)
      return { rate, ...(await measureQuality(cairn, conversations, say)) }
    })
    const speed: Speed[] = []
    const asked = quick ? 50 : 400
    if (has('speed')) await asking({ postgres: postgres.url, dataDir, embedder: cheapEmbedder() }, async (cairn) => {
      for (const size of wanted) speed.push(await measureSpeed(cairn, conversations, size, size <= VECTORS_UP_TO, asked, say))
    })
    const embedded: Speed[] = []
    const index: IndexFigures[] = []
    const embedder = cheapEmbedder()
    if (has('pgvector')) await asking({ dataDir: join(dataDir, 'embedded'), embedder }, async (cairn) => {
      for (const size of wanted) {
        embedded.push(await measureSpeed(cairn, conversations, size, true, asked, say))
        index.push(await measureIndex(cairn, embedder, `size-${size}`, size, conversations, say))
      }
    })
    const { 'recall@5': at5 = 0, 'recall@10': at10 = 0, 'recall@20': at20 = 0, mrr = 0, 'session@10': session = 0 } = quality?.table['all']?.['overall'] ?? {}
    return {
      ...makeRecord('recall', {
        versions: { node: process.version },
        configuration: { quick, files: conversations.map(({ name }) => name), sizes: wanted, questions: 'LoCoMo, categories 1 to 4', embedder: 'universal-sentence-encoder-lite-en', postgres: 'private, without pgvector', sections: only },
        rounds: quality === undefined ? {} : { ...rounded(quality.latencies), 'offline embedding, memories a second': [quality.rate] },
        comparisons: [...compare(quality?.table ?? {}, speed, 'PostgreSQL'), ...compare({}, embedded, 'PGlite'), ...ofIndex(index)],
      }),
      ...(quality === undefined ? {} : { 'recall@5': at5, 'recall@10': at10, 'recall@20': at20, mrr, 'session@10': session, quality: quality.table }),
      speed,
    }
  } finally {
    await postgres.dispose()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function asking<T>(where: { postgres?: string; dataDir: string; embedder: NonNullable<Parameters<typeof open>[0]>['embedder'] & {} }, work: (cairn: Cairn) => Promise<T>): Promise<T> {
  await using cairn = await open({ ...where, recall: { embed: false } })
  return await work(cairn)
}

async function fill(cairn: Cairn, files: readonly LocomoFile[], say: (line: string) => void): Promise<number> {
  let total = 0
  let seconds = 0
  for (const file of files) {
    const { memory, recall } = cairn.as({ tenant: tenantOf(file) })
    await memory.rememberMany(file.memories)
    const began = performance.now()
    total += (await recall.embedPending()).embedded
    seconds += (performance.now() - began) / 1000
    say(`  ${file.name}: ${file.memories.length} memories, ${file.questions.length} questions`)
  }
  return total / Math.max(seconds, 1e-9)
}

function rounded(latencies: Readonly<Record<string, readonly number[]>>): Record<string, number[]> {
  return Object.fromEntries(Object.entries(latencies).map(([way, ms]) => [`${way}: ms a question`, ms.map((each) => Math.round(each * 10) / 10)]))
}

function compare(quality: QualityTable, speed: readonly Speed[], on: string): Comparison[] {
  const rows: Comparison[] = []
  for (const [way, groups] of Object.entries(quality)) {
    for (const [group, figures] of Object.entries(groups)) {
      for (const name of ['recall@5', 'recall@10', 'recall@20', 'mrr', 'session@10'] as const) {
        const target = way === 'all' && group === 'overall' ? { 'recall@10': 0.75, 'session@10': 0.96 }[name as string] : undefined
        rows.push({ name: `${way}, ${group}: ${name}`, value: figures[name], unit: '', ...(target === undefined ? {} : { target: `at least ${target}`, met: figures[name] >= target }) })
      }
    }
  }
  for (const { memories, ingestPerSecond, ms } of speed) {
    if (ingestPerSecond > 0) rows.push({ name: `remembered, up to ${memories}, ${on}`, value: ingestPerSecond, unit: '/s' })
    for (const [mode, { p50, p95, held }] of Object.entries(ms)) {
      rows.push({ name: `${mode} at ${memories}, ${on}: p50`, value: p50, unit: 'ms' })
      rows.push({ name: `${mode} at ${memories}, ${on}: p95`, value: p95, unit: 'ms', ...(memories === 100_000 ? { target: 'at most 50 ms', met: p95 <= 50 } : {}) })
      rows.push({ name: `${mode} at ${memories}, ${on}: this process held, p99`, value: held, unit: 'ms' })
    }
  }
  return rows
}

function ofIndex(figures: readonly IndexFigures[]): Comparison[] {
  return figures.flatMap(({ memories, p50, p95, found }) => [
    { name: `HNSW alone at ${memories}: p50`, value: p50, unit: 'ms' },
    { name: `HNSW alone at ${memories}: p95`, value: p95, unit: 'ms' },
    { name: `HNSW at ${memories}: share of the nearest 60`, value: found, unit: '' },
  ])
}
