import type { DomainContext } from '../domain-context.ts'
import { DELETE_SESSION, DELETE_UNUSED_BLOBS, LOCK_BLOBS, SESSION_BLOBS, SESSION_SIZE } from './records-queries.ts'
import type { DeletedSession } from './types.ts'

const NOTHING: DeletedSession = { deleted: false, threads: 0, messages: 0, attachments: 0 }

/** One transaction: afterwards no row of the session is left, nor bytes that only it had. The session's lock comes first, as everywhere. */
export async function deleteSession({ sql, identity }: DomainContext, sessionId: string): Promise<DeletedSession> {
  const { tenant } = identity
  return sql.transaction(identity, async (tx) => {
    const size = (await tx.query<Omit<DeletedSession, 'deleted'>>(SESSION_SIZE, [tenant, sessionId])).rows[0]
    if (size === undefined) return NOTHING
    const hashes = (await tx.query<{ sha256: Uint8Array }>(SESSION_BLOBS, [tenant, sessionId])).rows.map((row) => row.sha256)
    await tx.query(DELETE_SESSION, [tenant, sessionId])
    if (hashes.length > 0) {
      await tx.query(LOCK_BLOBS, [tenant, hashes])
      await tx.query(DELETE_UNUSED_BLOBS, [tenant, hashes])
    }
    return { deleted: true, threads: size.threads, messages: size.messages, attachments: size.attachments }
  }, { attempts: 3 })
}
