import { expect } from 'vitest'
import { isCairnError } from '../../../../src/errors/index.ts'
import type { KvBucket, KvBucketOptions, KvEngine, KvEntry, KvKey } from '../../../../src/engines/kv/index.ts'

/** One engine under test and the store behind it. */
export interface KvTarget {
  readonly engine: KvEngine
  /** Closes the engine and opens another one on the same store. */
  reopen(): Promise<KvEngine>
  /** Deletes the bucket behind the engine's back and returns an engine that can make it again. */
  destroyBucket(name: string): Promise<KvEngine>
  /** Closes everything and removes the store. */
  dispose(): Promise<void>
}

export const AGENT = '0197a6a0-0000-7000-8000-000000000001'
/** Texts that are special to a subject, a path, a header, JSON or our own encodings. */
export const HARD_TEXTS = [
  'plan', 'a/b/c', 'a.b.c', 'a:b', 'with space', ' lead and trail ', '*', '>', 'a.*.b', 'x.>', '..', '.', '=', '=41', 'a=b', '%2F', '\\', '"', "'",
  '🦊', '日本語', 'é', 'e\u0301', '𝒳'.repeat(255), 'x'.repeat(255), 'tab\there', 'line\nbreak', 'cr\r\nlf', '\u0001', '\u0002', '\u0002\u0004', '\u0002\u0003',
  'a\u0001b', '$KV', '_INBOX.x', '{"a":1}', '-', '_', '\u007f', '\ufeffbom',
]

/** What the parts of the suite share. */
export interface KvSuite {
  readonly target: KvTarget
  /** A bucket of its own. */
  fresh(options?: KvBucketOptions): Promise<KvBucket>
}

export const key = (text: string): KvKey => ['acme', AGENT, text]

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Follows the feed from `after` until everything was seen. */
export async function feed(bucket: KvBucket, after: number, limit = 100): Promise<KvEntry[]> {
  const all: KvEntry[] = []
  for (let cursor = after; ; ) {
    const page = await bucket.changes(cursor, limit)
    expect(page.entries.length).toBeLessThanOrEqual(limit)
    all.push(...page.entries)
    if (page.cursor === page.lastRevision) return all
    expect(page.cursor).toBeGreaterThan(cursor)
    cursor = page.cursor
  }
}

export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { resolvedWith: await promise }
  } catch (error) {
    return error
  }
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await errorOf(promise)
  return isCairnError(error) ? error.code : `no CairnError: ${JSON.stringify(error)}`
}

/** Resolves when `condition` holds; fails after `timeoutMs`. */
export async function until(condition: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    // Looked at once more when the time is over: the machine may have stood still since the last look.
    const late = performance.now() > deadline
    if (await condition()) return
    if (late) throw new Error(`The condition did not hold within ${timeoutMs} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
