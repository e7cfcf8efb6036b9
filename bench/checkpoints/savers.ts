import { open } from '@cairn/core'
import { CairnCheckpointSaver } from '@cairn/langgraph'
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint'
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres'
import pg from 'pg'

export type SaverName = 'cairn' | 'cairn hot' | 'official'

export interface BenchSaver {
  readonly name: SaverName
  readonly saver: BaseCheckpointSaver
  close(): Promise<void>
}

/** Ours twice on one Cairn (PostgreSQL and JetStream), and the official one, each in a database of its own on the same server. */
export async function openSavers(url: string, nats: string): Promise<BenchSaver[]> {
  const cairn = await open({ postgres: await database(url, 'cairn'), nats })
  const official = PostgresSaver.fromConnString(await database(url, 'official'))
  await official.setup()
  return [
    { name: 'cairn', saver: new CairnCheckpointSaver(cairn), close: () => cairn.close() },
    { name: 'cairn hot', saver: new CairnCheckpointSaver(cairn, { namespace: 'hot', ack: 'hot' }), close: () => Promise.resolve() },
    { name: 'official', saver: official, close: () => official.end() },
  ]
}

/** Bytes of the values as stored, and of tables, indexes and TOAST on disk. */
export async function storedBytes(url: string, name: 'cairn' | 'official'): Promise<{ logical: number; onDisk: number }> {
  const client = new pg.Client({ connectionString: databaseUrl(url, name) })
  await client.connect()
  const tables = name === 'cairn' ? ['lineages.threads', 'lineages.checkpoints', 'lineages.writes'] : ['checkpoints', 'checkpoint_blobs', 'checkpoint_writes']
  const logical =
    name === 'cairn'
      ? `(SELECT coalesce(sum(length(frame) + length(metadata::text) + length(checkpoint_id) + length(parent_id) + 32), 0) FROM lineages.checkpoints) + (SELECT coalesce(sum(length(pack) + length(checkpoint_id) + length(task_id) + length(task_path) + 20), 0) FROM lineages.writes)`
      : `(SELECT coalesce(sum(length(blob)), 0) FROM checkpoint_blobs) + (SELECT coalesce(sum(length(checkpoint::text) + length(metadata::text)), 0) FROM checkpoints) + (SELECT coalesce(sum(length(blob)), 0) FROM checkpoint_writes)`
  try {
    const { rows } = await client.query<{ logical: string; disk: string }>(`SELECT ${logical} AS logical, ${tables.map((table) => `pg_total_relation_size('${table}')`).join(' + ')} AS disk`)
    return { logical: Number(rows[0]?.logical), onDisk: Number(rows[0]?.disk) }
  } finally {
    await client.end()
  }
}

function databaseUrl(url: string, name: string): string {
  const own = new URL(url)
  own.pathname = `/bench_${name}`
  return own.href
}

async function database(url: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE DATABASE bench_${name}`)
  await client.end()
  return databaseUrl(url, name)
}
