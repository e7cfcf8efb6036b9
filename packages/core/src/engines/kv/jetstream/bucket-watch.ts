import { DeliverPolicy } from '@nats-io/jetstream'
import type { MsgHdrs } from '@nats-io/transport-node'
import type { KvKey, KvWatcher } from '../kv-engine.ts'
import type { BucketNames } from './bucket-stream.ts'
import type { BucketOwner } from './jetstream-bucket.ts'
import { decodeKey } from './subject-codec.ts'

/**
 * Live changes. The server republishes the headers of each message after it has stored it, at the cost of a plain
 * publish; sequences follow each other without holes, so a hole means that reports were lost. Of a pattern's keys alone,
 * holes say nothing: a lost connection is then the only gap. A server without republishing is watched through an ordered
 * consumer, which it has to feed from the store.
 */
export async function watchBucket(owner: BucketOwner, names: BucketNames, republished: boolean, watcher: KvWatcher, pattern?: KvKey): Promise<() => Promise<void>> {
  const watched = pattern === undefined ? '>' : pattern.join('.')
  let last = 0
  // An error thrown into the client's callback would disturb its other subscriptions.
  const tell = (run: () => void): void => {
    try {
      run()
    } catch (error) {
      owner.log.error({ err: error, bucket: names.bucket }, 'a watcher of the bucket threw')
    }
  }
  const report = (subject: string, sequence: number, headers: MsgHdrs | undefined): void => {
    const key = decodeKey(subject.slice(names.subjects.length))
    const missed = pattern === undefined && last > 0 && sequence > last + 1
    last = Math.max(last, sequence)
    if (missed) tell(() => watcher.onGap())
    if (key !== undefined) tell(() => watcher.onChange({ key, revision: sequence, deleted: (headers?.get('KV-Operation') ?? '') !== '' }))
  }
  const stopGaps = owner.onReconnect(() => {
    last = 0
    tell(() => watcher.onGap())
  })
  if (republished) {
    const subscription = owner.connection.subscribe(names.changes + watched, {
      callback: (error, message) => {
        if (error !== null || message.headers === undefined) return
        report(message.headers.get('Nats-Subject'), Number(message.headers.get('Nats-Sequence')), message.headers)
      },
    })
    await owner.connection.flush()
    return async () => {
      stopGaps()
      subscription.unsubscribe()
    }
  }
  const consumer = await owner.jsm.jetstream().consumers.get(names.stream, { filter_subjects: names.subjects + watched, deliver_policy: DeliverPolicy.New, headers_only: true })
  const messages = await consumer.consume({ callback: (message) => report(message.subject, message.seq, message.headers) })
  return async () => {
    stopGaps()
    await messages.close()
  }
}
