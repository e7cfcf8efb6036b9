import { randomUUID } from 'node:crypto'
import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { open as openLmdb } from 'lmdb'
import pg from 'pg'
import { throughput } from '../measure.ts'

const BATCH = 500

/** The engines without Cairn, used as their own documentation would: the yardsticks of the run. */
export async function rawPostgres(url: string, value: () => string) {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  await pool.query('CREATE TABLE raw_state (agent_id uuid, state_key text, state_value jsonb NOT NULL, version bigint NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (agent_id, state_key))')
  const agents = Array.from({ length: 20 }, () => randomUUID())
  const at = (index: number) => ({ agent: agents[index % 20] as string, key: `key-${Math.floor(index / 20) % 100}` })
  return {
    single: (count: number) =>
      throughput(count, 10, (index) => {
        const { agent, key } = at(index)
        return pool.query({
          name: 'single',
          text: 'INSERT INTO raw_state VALUES ($1, $2, $3, $4, now()) ON CONFLICT (agent_id, state_key) DO UPDATE SET state_value = excluded.state_value, version = excluded.version, updated_at = excluded.updated_at',
          values: [agent, key, value(), index],
        })
      }),
    batched: async (count: number) =>
      BATCH *
      (await throughput(count / BATCH, 1, (batch) => {
        const rows = Array.from({ length: BATCH }, (_, offset) => at(batch * BATCH + offset))
        return pool.query({
          name: 'batched',
          text: 'INSERT INTO raw_state SELECT a, k, v::jsonb, r, now() FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS input(a, k, v, r) ON CONFLICT (agent_id, state_key) DO UPDATE SET state_value = excluded.state_value, version = excluded.version, updated_at = excluded.updated_at',
          values: [rows.map((row) => row.agent), rows.map((row) => row.key), rows.map(value), rows.map((_, offset) => batch * BATCH + offset)],
        })
      })),
    close: () => pool.end(),
  }
}

export async function rawJetStream(url: string, value: () => string) {
  const connection = await connect({ servers: url })
  const kv = await new Kvm(jetstream(connection)).create('RAW', { history: 1 })
  const key = (index: number) => `default.agent-${index % 20}.key-${Math.floor(index / 20) % 100}`
  return {
    put: (count: number) => throughput(count, 256, (index) => kv.put(key(index), value())),
    get: (count: number) => throughput(count, 256, (index) => kv.get(key(index))),
    close: () => connection.close(),
  }
}

export function rawLmdb(path: string, value: () => string) {
  const database = openLmdb({ path, encoding: 'string' })
  return {
    put: async (count: number) => {
      const started = performance.now()
      await throughput(count, 256, (index) => database.put(`default-${index % 20}-key-${Math.floor(index / 20) % 100}`, value()))
      await database.flushed
      return count / ((performance.now() - started) / 1000)
    },
    close: () => database.close(),
  }
}
