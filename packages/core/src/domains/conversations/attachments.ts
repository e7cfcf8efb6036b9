import { createHash } from 'node:crypto'
import { uuidv7 } from '../../ids/index.ts'
import { CairnError } from '../../errors/index.ts'
import { decodeCursor, pageLimit, toPage, type Page } from '../../paging/index.ts'
import { type CompressionAlgorithmId, compressBest, restore } from '../compression/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { findMessage } from './chat-messages.ts'
import { cursorId } from './chat-threads.ts'
import { SELECT_SESSION } from './conversations-queries.ts'
import { notFound } from './failures.ts'
import { attachInput, checkInput, idInput, listAttachmentsInput } from './input.ts'
import { DELETE_ATTACHMENT, DELETE_UNUSED_BLOBS, HAS_BLOB, HOLD_BLOB, INSERT_ATTACHMENT, LIST_ATTACHMENTS, LOCK_BLOBS, PUT_BLOB, READ_ATTACHMENT, SELECT_ATTACHMENT } from './records-queries.ts'
import { toAttachment, type AttachmentRow } from './record-rows.ts'
import { jsonText } from './text-checks.ts'
import type { AttachInput, Attachment, ListAttachmentsOptions } from './types.ts'

/** Largest attachment, in plain bytes. */
export const MAX_ATTACHMENT_BYTES = 16 * 1_048_576
const CHUNK_BYTES = 65_536

/**
 * Files that go with messages. The bytes are stored once a tenant, under their SHA-256, compressed by the algorithm that measured best
 * on them, and verified whenever they are read. A message lists its attachments as `attachment:<id>` among its others.
 */
export class ConversationAttachments {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    this.#context = context
  }

  /** Up to 16 MiB, and 100 to a message. @throws NOT_FOUND, PAYLOAD_TOO_LARGE, INVALID_ARGUMENT, SERIALIZATION_ERROR */
  async add(input: AttachInput): Promise<Attachment> {
    const { messageId, data, name, mediaType, metadata } = checkInput(attachInput, input, 'attachment')
    if (typeof data === 'string' && !data.isWellFormed()) throw new CairnError('INVALID_ARGUMENT', 'data: has a lone surrogate, which has no bytes.', { details: { field: 'data' } })
    const plain = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
    if (plain.byteLength > MAX_ATTACHMENT_BYTES) {
      throw new CairnError('PAYLOAD_TOO_LARGE', `data: ${plain.byteLength} bytes are more than the limit of ${MAX_ATTACHMENT_BYTES}. Store it elsewhere and keep its address.`, { details: { field: 'data', bytes: plain.byteLength, limit: MAX_ATTACHMENT_BYTES } })
    }
    const json = jsonText('metadata', metadata)
    const message = await findMessage(this.#context, messageId)
    if (message === null || message.id !== messageId) throw notFound('message', messageId)
    const type = mediaType ?? (typeof data === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream')
    const id = uuidv7()
    await this.#store(plain, (sha256) => [this.#context.identity.tenant, id, message.sessionId, messageId, sha256, name ?? null, type, json])
    return this.get(id)
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<Attachment> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<AttachmentRow>(identity, SELECT_ATTACHMENT, [identity.tenant, checkInput(idInput, id, 'id')])
    if (rows[0] === undefined) throw notFound('attachment', id)
    return toAttachment(rows[0])
  }

  /** Of a message or of a whole session, oldest first. @throws NOT_FOUND, INVALID_CURSOR */
  async list(options: ListAttachmentsOptions): Promise<Page<Attachment>> {
    const { messageId, sessionId } = checkInput(listAttachmentsInput, options, 'options')
    const limit = pageLimit(options)
    const list = `attachments/${messageId ?? sessionId ?? ''}`
    const after = cursorId(decodeCursor(list, options.cursor, 1)?.[0])
    const { sql, identity } = this.#context
    const { rows } = await sql.query<AttachmentRow>(identity, LIST_ATTACHMENTS, [identity.tenant, messageId ?? null, sessionId ?? null, after ?? null, limit + 1])
    if (rows.length === 0) {
      if (messageId !== undefined && (await findMessage(this.#context, messageId)) === null) throw notFound('message', messageId)
      if (sessionId !== undefined && (await sql.query(identity, SELECT_SESSION, [identity.tenant, sessionId, null])).rows.length === 0) throw notFound('chat session', sessionId)
    }
    return toPage(list, rows.map(toAttachment), limit, (item) => [item.id])
  }

  /** The bytes as they were given. @throws NOT_FOUND, CONSISTENCY_VIOLATION when they are not those */
  async read(id: string): Promise<{ readonly attachment: Attachment; readonly data: Uint8Array }> {
    const { sql, identity } = this.#context
    const { rows } = await sql.query<AttachmentRow & { data: Uint8Array }>(identity, READ_ATTACHMENT, [identity.tenant, checkInput(idInput, id, 'id')])
    const [row] = rows
    if (row === undefined) throw notFound('attachment', id)
    return { attachment: toAttachment(row), data: await this.#plain(row) }
  }

  /** The bytes in parts of 64 KiB. All are verified before the first is given out. Errors as `read`. */
  async *stream(id: string): AsyncGenerator<Uint8Array> {
    const { data } = await this.read(id)
    for (let start = 0; start < data.byteLength; start += CHUNK_BYTES) yield data.subarray(start, start + CHUNK_BYTES)
  }

  /** False when there is none. Bytes that no other attachment has are removed, too. */
  async remove(id: string): Promise<boolean> {
    const { sql, identity } = this.#context
    const checked = checkInput(idInput, id, 'id')
    return sql.transaction(identity, async (tx) => {
      const { rows } = await tx.query<{ sha256: Uint8Array }>(DELETE_ATTACHMENT, [identity.tenant, checked])
      const hashes = rows.map((row) => row.sha256)
      if (hashes.length === 0) return false
      await tx.query(LOCK_BLOBS, [identity.tenant, hashes])
      await tx.query(DELETE_UNUSED_BLOBS, [identity.tenant, hashes])
      return true
    }, { attempts: 3 })
  }

  /** Bytes that the tenant has need neither be compressed nor sent again. */
  async #store(plain: Uint8Array, values: (sha256: Uint8Array) => readonly unknown[]): Promise<void> {
    const { sql, identity } = this.#context
    const sha256 = createHash('sha256').update(plain).digest()
    const known = (await sql.query(identity, HAS_BLOB, [identity.tenant, sha256])).rows.length > 0
    const insert = async (blob: readonly unknown[] | undefined): Promise<boolean> =>
      sql.transaction(identity, async (tx) => {
        if (blob === undefined) {
          if ((await tx.query(HOLD_BLOB, [identity.tenant, sha256])).rows.length === 0) return false
        } else {
          await tx.query(PUT_BLOB, blob)
        }
        if ((await tx.query(INSERT_ATTACHMENT, values(sha256))).rows.length === 0) {
          throw new CairnError('INVALID_ARGUMENT', 'messageId: the message has 100 attachments, or is gone.', { details: { field: 'messageId' } })
        }
        return true
      }, { attempts: 3 })
    if (known && (await insert(undefined))) return
    const best = await compressBest(this.#context, plain)
    await insert([identity.tenant, sha256, plain.byteLength, best.bytes, best.algorithm, best.level, best.data])
  }

  async #plain(row: AttachmentRow & { data: Uint8Array }): Promise<Uint8Array> {
    const damaged = (cause?: unknown): CairnError =>
      new CairnError('CONSISTENCY_VIOLATION', `The bytes of attachment ${row.attachment_id} are not those that were stored. Restore them from a backup.`, { cause, details: { id: row.attachment_id } })
    let plain: Uint8Array
    try {
      plain = await restore(this.#context, row.algorithm_id as CompressionAlgorithmId, row.data, row.plain_bytes)
    } catch (error) {
      throw damaged(error)
    }
    if (createHash('sha256').update(plain).digest('hex') !== row.sha256) throw damaged()
    return plain
  }
}
