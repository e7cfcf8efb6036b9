import { CairnError } from '../../errors/index.ts'
import { type Page, pageLimit } from '../../paging/index.ts'
import type { DataStorage, StorageSearchOptions, StoreOptions, StoredItem } from '../../state/index.ts'
import type { ConversationsService } from './conversations-service.ts'
import type { Message, MessageInput } from './types.ts'

/**
 * Messages as the data router sees them: `store` appends under a key of the caller's, or says the same again (then nothing is
 * stored); they are never overwritten or removed. In the order in which they were said, not by key.
 */
export class MessageStorage implements DataStorage<Message | MessageInput> {
  readonly type = 'message'
  readonly layers = ['relational_db'] as const
  readonly #conversations: ConversationsService
  readonly #thread: string | undefined

  constructor(conversations: ConversationsService, thread: string | undefined) {
    this.#conversations = conversations
    this.#thread = thread
  }

  /** Errors: those of `conversations.append`. */
  async store(key: string, value: MessageInput, options: StoreOptions = {}): Promise<{ version: number }> {
    if (options.ttlMs !== undefined || options.ifVersion !== undefined) throw new CairnError('INVALID_ARGUMENT', 'options: a message has neither a time to live nor versions to expect.', { details: { field: options.ttlMs === undefined ? 'ifVersion' : 'ttlMs' } })
    const message = await this.#conversations.append({ ...value, key, threadId: this.#needThread() })
    return { version: message.editCount + 1 }
  }

  /** By id or key. */
  async retrieve(key: string, { strict = false }: { strict?: boolean } = {}): Promise<StoredItem<Message> | undefined> {
    const message = strict ? await this.#conversations.getMessage(key) : await this.#conversations.findMessage(key)
    return message === null ? undefined : toItem(message)
  }

  /** CAPABILITY_MISSING: what was said stays said. */
  remove(): Promise<boolean> {
    return Promise.reject(new CairnError('CAPABILITY_MISSING', 'message: messages are never removed; edit them, or end the session.', { details: { type: 'message' } }))
  }

  async search(options: StorageSearchOptions = {}): Promise<Page<StoredItem<Message>>> {
    if (options.where !== undefined) throw new CairnError('INVALID_ARGUMENT', 'where: messages are found by thread, key prefix and time.', { details: { field: 'where' } })
    const limit = pageLimit(options)
    const items: StoredItem<Message>[] = []
    let cursor = options.cursor
    for (;;) {
      const page: Page<Message> = await this.#conversations.messages({ threadId: this.#needThread(), limit: limit - items.length, ...(cursor === undefined ? {} : { cursor }) })
      items.push(...page.items.map((message) => toItem(message)).filter((item) => fits(item, options)))
      if (page.nextCursor === null || items.length === limit) return { items, nextCursor: page.nextCursor }
      cursor = page.nextCursor
    }
  }

  #needThread(): string {
    if (this.#thread === undefined) throw new CairnError('INVALID_ARGUMENT', "thread: messages belong to a thread: storage.for('message', { thread }).", { details: { field: 'thread' } })
    return this.#thread
  }
}

function fits({ key, updatedAt }: StoredItem, { prefix, updatedAfter, updatedBefore }: StorageSearchOptions): boolean {
  return (prefix === undefined || key.startsWith(prefix)) && (updatedAfter === undefined || updatedAt > updatedAfter) && (updatedBefore === undefined || updatedAt < updatedBefore)
}

function toItem(message: Message): StoredItem<Message> {
  return { key: message.key ?? message.id, value: message, version: message.editCount + 1, updatedAt: message.editedAt ?? message.sentAt, expiresAt: null }
}
