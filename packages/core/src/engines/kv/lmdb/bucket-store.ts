import type { Database, RootDatabase } from 'lmdb'
import { v4 as uuidv4 } from 'uuid'
import { u48 } from './layout.ts'

export type BinaryDatabase = Database<Buffer, Buffer>

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const

/** The databases of one bucket within the environment, and the rows about it in the shared `meta` database. */
export interface BucketStore {
  readonly epoch: string
  readonly root: RootDatabase<Buffer, Buffer>
  readonly meta: BinaryDatabase
  readonly revisionKey: Buffer
  readonly wal: BinaryDatabase
  readonly entries: BinaryDatabase
  readonly log: BinaryDatabase
  readonly ops: BinaryDatabase
  readonly opsByTime: BinaryDatabase
}

export function openMeta(root: RootDatabase<Buffer, Buffer>): BinaryDatabase {
  return root.openDB<Buffer, Buffer>('meta', BINARY)
}

export function openBucketStore(root: RootDatabase<Buffer, Buffer>, meta: BinaryDatabase, name: string): BucketStore {
  const open = (kind: string): BinaryDatabase => root.openDB<Buffer, Buffer>(`${kind}:${name}`, BINARY)
  const epochKey = Buffer.from(`epoch:${name}`)
  const revisionKey = Buffer.from(`revision:${name}`)
  let epoch = meta.getBinary(epochKey)?.toString()
  if (epoch === undefined) {
    const made = uuidv4()
    meta.transactionSync(() => {
      meta.putSync(epochKey, Buffer.from(made))
      meta.putSync(revisionKey, u48(0))
    })
    epoch = made
  }
  return { epoch, root, meta, revisionKey, wal: open('wal'), entries: open('entries'), log: open('log'), ops: open('ops'), opsByTime: open('opsByTime') }
}

/** The revision up to which `entries` and `log` are complete. */
export function appliedRevision(store: BucketStore): number {
  return store.meta.getBinary(store.revisionKey)?.readUIntBE(0, 6) ?? 0
}
