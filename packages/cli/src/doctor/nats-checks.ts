import type { KvEngine } from '@cairn/core/internal'
import { type Finding, ok, warn } from './finding.ts'

/** What the connected server can do, and what it cannot. JetStream is on, or the engine would not have opened. */
export async function checkNats(kv: KvEngine): Promise<Finding[]> {
  const { serverVersion, compression, perKeyTtl, republish, replicas } = kv.capabilities
  const missing = [...(compression ? [] : ['compression']), ...(perKeyTtl ? [] : ['time to live of single keys']), ...(republish ? [] : ['republish'])]
  return [
    ok('NATS', `nats-server ${serverVersion}, JetStream enabled, a round trip takes ${(await kv.ping()).toFixed(1)} ms`),
    missing.length === 0
      ? ok('NATS capabilities', 'all')
      : ok('NATS capabilities', `this server lacks ${missing.join(', ')}; Cairn does without (a newer nats-server has them)`),
    replicas > 1
      ? ok('NATS replicas', `${replicas} copies of each stream`)
      : warn('NATS replicas', 'one copy of each stream', 'If the disk of this one server is lost, so is what is not in SQL yet.', 'For production run a cluster of three; for development this is fine.'),
  ]
}
